"""python3 -m demo [--check]: see scripts/demo."""

from __future__ import annotations

import argparse
import signal
import sys
import textwrap
import time
from types import FrameType

from demo.check import Check
from demo.stage import ADDRESS, PASSWORD, Stage


def describe(stage: Stage) -> str:
    """What a person needs to try it."""
    imaps, imap = stage.gate.port("imaps"), stage.gate.port("imap")
    ca = stage.authority.ca
    user = stage.users[0]
    homes = []
    for backend, server in stage.servers.items():
        names = " ".join(user.partition("@")[0] for user in stage.users_of(backend))
        homes.append(
            f"  {server.name} at {backend}\n" + textwrap.indent(textwrap.fill(names, 92), "    ")
        )
    return f"""
Headgate is at {ADDRESS}:{imaps} (TLS) and {ADDRESS}:{imap} (STARTTLS), with metrics at
http://{ADDRESS}:{stage.metrics_port}/metrics. Configuration: {stage.gate.config_file}

{len(stage.users)} users, all with the password "{PASSWORD}" and {stage.messages_per_user} messages;
add @example.org to the names. Where each one lives, by `headgate explain`:

{chr(10).join(homes)}

By hand (type: a LOGIN {user} {PASSWORD}):

  openssl s_client -quiet -crlf -CAfile {ca} -connect localhost:{imaps}
  openssl s_client -quiet -crlf -CAfile {ca} -starttls imap -connect localhost:{imap}

With curl:

  curl --cacert {ca} --user {user}:{PASSWORD} 'imaps://localhost:{imaps}/'
  curl --cacert {ca} --user {user}:{PASSWORD} 'imaps://localhost:{imaps}/INBOX;MAILINDEX=1'
  curl --cacert {ca} --user {user}:{PASSWORD} --ssl-reqd 'imap://localhost:{imap}/INBOX?UNSEEN'
  curl http://{ADDRESS}:{stage.metrics_port}/metrics

With a mail client: server localhost, port {imaps} with TLS or {imap} with STARTTLS, user name
{user}, password {PASSWORD}, trusted CA {ca}. For instance:

  mutt -e 'set ssl_ca_certificates_file="{ca}" imap_pass="{PASSWORD}"' \\
    -f 'imaps://{user.replace("@", "%40")}@localhost:{imaps}/INBOX'
"""


def follow(stage: Stage) -> None:
    """Prints one line for every session that ends, until interrupted or Headgate dies."""
    print("Sessions show up here when they end. Ctrl-C stops everything.\n", flush=True)
    seen = 0
    while stage.gate.process is not None and stage.gate.process.poll() is None:
        ends = stage.gate.session_ends(0)
        for end in ends[seen:]:
            print(
                f"{end.get('user') or '(nobody)'} from {end.get('client')} on {end.get('listener')}"
                f" → {end.get('backend') or 'nowhere'}: {end.get('duration_s')} s,"
                f" {end.get('bytes_to_backend')} bytes up, {end.get('bytes_to_client')} down,"
                f" {end.get('reason')}",
                flush=True,
            )
        seen = len(ends)
        time.sleep(0.3)
    raise RuntimeError("Headgate ended by itself")


def interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/demo", description="Headgate before three mail servers."
    )
    parser.add_argument("--check", action="store_true", help="prove that it works, and end")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)

    started = time.monotonic()
    stage = Stage()
    check = Check(stage)
    try:
        stage.start()
        print(
            f"demo: three mail servers, {len(stage.users)} mailboxes and Headgate stand after "
            f"{time.monotonic() - started:.1f} s",
            flush=True,
        )
        if not arguments.check:
            print(describe(stage))
            follow(stage)
        check.run()
    except KeyboardInterrupt:
        if arguments.check:
            check.failed += 1
        print("\ndemo: stopping", flush=True)
    finally:
        # A second Ctrl-C must not leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stage.stop()
    if arguments.check:
        check.after_the_end()
        print(
            "demo: everything holds" if check.failed == 0 else f"demo: {check.failed} FAILED",
            flush=True,
        )
    return 1 if check.failed else 0


if __name__ == "__main__":
    sys.exit(main())
