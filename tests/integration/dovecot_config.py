"""What the tests' Dovecots are configured with, in the words of the Dovecot that is here: Debian 12 has 2.3, Debian 13
has 2.4, which took most names away."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

DOVECOT = "/usr/sbin/dovecot"

COMMON = """\
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S "
instance_name = {name}
protocols = imap
listen = {address}
default_internal_user = {internal_user}
default_internal_group = {internal_group}
default_login_user = {login_user}
default_client_limit = 10000
default_process_limit = 100
shutdown_clients = yes
login_trusted_networks = 127.0.0.0/8
login_greeting = {name} ready.
auth_mechanisms = plain login
auth_master_user_separator = *
auth_failure_delay = 0
auth_verbose = yes
mail_max_userip_connections = 0
mail_fsync = never
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
  }}
  mailbox Sent {{
    special_use = \\Sent
  }}
  mailbox Trash {{
    special_use = \\Trash
  }}
}}
service imap {{
  process_limit = 2000
}}
service anvil {{
  chroot =
  # No delays for a client that got a password wrong before.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

OF_2_3 = """\
imap_id_send = name {name}
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_save_crlf = yes
mail_plugins = zlib
protocol imap {{
  mail_plugins = zlib imap_zlib
}}
passdb {{
  driver = passwd-file
  args = {directory}/masters
  master = yes
}}
passdb {{
  driver = passwd-file
  args = {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%u
}}
service imap-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 4
  inet_listener imap {{
    address = {address}
    port = {port}
  }}
  inet_listener imaps {{
    address = {address}
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  service_count = 100
}}
"""

# The first two are what 2.4 wants to stand first.
VERSIONS_OF_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
"""

OF_2_4 = """\
imap_id_send {{
  name = {name}
}}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
passdb masters {{
  driver = passwd-file
  passwd_file_path = {directory}/masters
  master = yes
}}
passdb users {{
  driver = passwd-file
  passwd_file_path = {directory}/users
}}
userdb static {{
  fields {{
    uid = {uid}
    gid = {gid}
    home = {directory}/mail/%{{user}}
  }}
}}
service imap-login {{
  chroot =
  restart_request_count = unlimited
  process_min_avail = 1
  process_limit = 4
  inet_listener imap {{
    listen = {address}
    port = {port}
  }}
  inet_listener imaps {{
    listen = {address}
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  restart_request_count = 100
}}
"""


@functools.cache
def is_2_4() -> bool:
    """Without any Dovecot it is not; whoever starts one then is told that there is none."""
    if not Path(DOVECOT).exists():
        return False
    said = subprocess.run([DOVECOT, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in said.split()[0].split(".")[:2]) >= (2, 4)


def by_version(of_2_3: str, of_2_4: str) -> str:
    """The one for the Dovecot that is here."""
    return of_2_4 if is_2_4() else of_2_3


def tls(certificate: str, key: str) -> str:
    return "ssl = yes\n" + by_version(
        f"ssl_cert = <{certificate}\nssl_key = <{key}\n",
        f"ssl_server_cert_file = {certificate}\nssl_server_key_file = {key}\n",
    )


def template() -> str:
    """To be formatted with directory, name, address, port, tls_port, uid, gid, internal_user, internal_group,
    login_user, ssl and more."""
    return by_version("", VERSIONS_OF_2_4) + COMMON + by_version(OF_2_3, OF_2_4) + "{ssl}\n{more}\n"
