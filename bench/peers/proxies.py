"""Those that speak IMAP: they log in at the backend for the client."""

import re

import dovecot_config

from .process import Peer, free_port, output_of


class Headgate(Peer):
    name = "Headgate"
    workers = 1
    admin_port = None

    @classmethod
    def missing(cls):
        return None

    def version(self):
        found = re.search(r"\d+\.\d+[.\w-]*", output_of([str(self.bench.headgate), "--version"]))
        return found.group() if found else "unknown"

    def backends(self):
        return [f"127.0.0.1:{self.bench.backend_port}"]

    def pool(self):
        """More lines of the pool."""
        return ""

    def users(self):
        """Lines of the user sources, and of whole sections behind them."""
        return "  - {source: backend, pool: main}\n"

    def command(self):
        bench = self.bench
        self.admin_port = free_port()
        backends = "".join(f'      - {{address: "{address}"}}\n' for address in self.backends())
        config = self.write("headgate.yaml", f"""\
workers: {self.workers}
log: {{level: warning, format: text}}
listeners:
  - {{name: imaps, address: "127.0.0.1:{self.port}", tls: {self.tls}}}
tls:
  certificates:
    - {{certificate: {bench.certificate}, key: {bench.key}}}
pools:
  main:
    policy: user_hash
    tls: none
    forward_client: {self.forward_client}
    ready_connections: {self.ready_connections}
{self.pool()}    backends:
{backends}users:
{self.users()}admin:
  address: "127.0.0.1:{self.admin_port}"
""")
        return [str(bench.headgate), "run", "--config", config]

    forward_client = "id"
    ready_connections = 0
    tls = "implicit"


class TwoWorkers(Headgate):
    """What a second worker costs the first one: shared locks and cache lines, if there are any."""

    name = "Headgate, 2 workers"
    workers = 2
    both_cores = True


class ReadyHeadgate(Headgate):
    """What a login gains when a connection waits for it behind the backend's greeting."""

    name = "Headgate, with ready_connections"
    ready_connections = 8


class NginxMail(Peer):
    """nginx's mail proxy with the HTTP server it must ask in the same process: the cheapest there is."""

    name = "nginx mail"
    program = "nginx"
    package = "nginx"
    buffer = ""

    def version(self):
        return re.search(r"nginx/(\S+)", output_of(["/usr/sbin/nginx", "-v"])).group(1)

    def command(self):
        auth_port = free_port()
        config = self.write("nginx.conf", f"""\
load_module /usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log error;
events {{ worker_connections 19500; }}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{auth_port};
    location / {{
      add_header Auth-Status OK;
      add_header Auth-Server 127.0.0.1;
      add_header Auth-Port {self.bench.backend_port};
      return 200;
    }}
  }}
}}
mail {{
  auth_http 127.0.0.1:{auth_port}/;
  imap_capabilities IMAP4rev1 LITERAL+ SASL-IR ID IDLE ENABLE NAMESPACE UIDPLUS;
  timeout 300s;
  {self.buffer}
  server {{
    listen 127.0.0.1:{self.port} ssl backlog=4096;
    protocol imap;
    ssl_protocols TLSv1.3;
    ssl_certificate {self.bench.certificate};
    ssl_certificate_key {self.bench.key};
  }}
}}
""")
        return ["/usr/sbin/nginx", "-p", str(self.directory), "-e", "error.log", "-c", config]


class NginxMail64k(NginxMail):
    name = "nginx mail, 64k buffers"
    buffer = "proxy_buffer 64k;"


class DovecotProxy(Peer):
    """Dovecot's login process in high-performance mode: one process for all connections."""

    name = "Dovecot proxy"
    program = "dovecot"
    package = "dovecot-imapd"

    def version(self):
        return output_of(["/usr/sbin/dovecot", "--version"]).split()[0]

    def command(self):
        (self.directory / "run").mkdir()
        config = self.write("dovecot.conf", dovecot_config.by_version("", dovecot_config.VERSIONS_OF_2_4) + f"""\
base_dir = {self.directory}/run
state_dir = {self.directory}/run
log_path = {self.directory}/dovecot.log
info_log_path = /dev/null
protocols = imap
listen = 127.0.0.1
default_process_limit = 20
default_client_limit = 19500
mail_max_userip_connections = 0
auth_cache_size = 0
{dovecot_config.tls(self.bench.certificate, self.bench.key)}
ssl = required
ssl_min_protocol = TLSv1.3
service imap-login {{
  process_min_avail = 1
  process_limit = 1
  client_limit = 19500
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
}}
service anvil {{
  client_limit = 19500
}}
service stats {{
  client_limit = 19500
}}
service auth {{
  client_limit = 19500
}}
""" + dovecot_config.by_version(f"""\
passdb {{
  driver = static
  args = proxy=y host=127.0.0.1 port={self.bench.backend_port} nopassword=y
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}}
service imap-login {{
  service_count = 0
  vsz_limit = 0
}}
""", f"""\
passdb static {{
  fields {{
    proxy = y
    host = 127.0.0.1
    port = {self.bench.backend_port}
    nopassword = y
  }}
}}
userdb static {{
  fields {{
    uid = 65534
    gid = 65534
    home = /nonexistent
  }}
}}
service imap-login {{
  restart_request_count = unlimited
  vsz_limit = unlimited
}}
"""))
        return ["/usr/sbin/dovecot", "-F", "-c", config]


class Perdition(Peer):
    """A process for each connection."""

    name = "Perdition"
    program = "perdition"
    package = "perdition"
    most_sessions = 1_000
    held_sessions = 200

    def version(self):
        found = re.search(r"\d+\.\d+\S*", output_of(["/usr/sbin/perdition", "--version"]))
        return found.group() if found else "unknown"

    def command(self):
        config = self.write("perdition.conf", "")
        return ["/usr/sbin/perdition.imap4s", "--config_file", config, "--no_daemon",
                "--protocol", "IMAP4S", "--ssl_mode", "ssl_listen",
                "--ssl_cert_file", str(self.bench.certificate),
                "--ssl_key_file", str(self.bench.key),
                "--bind_address", "127.0.0.1", "--listen_port", str(self.port),
                "--outgoing_server", "127.0.0.1", "--outgoing_port", str(self.bench.backend_port),
                "--connection_limit", "0", "--no_lookup", "--map_library", "", "--quiet",
                "--pid_file", str(self.directory / "perdition.pid"),
                "--username", "root", "--group", "root", "--log_facility",
                str(self.directory / "perdition.log")]
