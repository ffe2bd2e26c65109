"""Scenarios with clients that are not Python's: curl, mbsync, and imapflow from npm."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from headgate_process import REPOSITORY
from scenarios.device import Device
from scenarios.imap_scenarios import DATE, bodies, message
from scenarios.world import PASSWORD
from server_process import Endpoint

PACKAGES = REPOSITORY / "tests/integration/npm"
INSTALLED = REPOSITORY / "build/npm"


def _run(command: list[Any], **options: Any) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )
    assert (
        done.returncode == 0
    ), f"{command[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def curl(endpoint: Endpoint, user: str, directory: Path) -> list[str]:
    """Uploads, lists, searches and fetches with one curl each; returns what each printed."""
    directory.mkdir(parents=True)
    upload = directory / "message.eml"
    upload.write_bytes(message(1, 20_000))
    scheme = "imaps" if endpoint.tls == "implicit" else "imap"
    base = f"{scheme}://{endpoint}"
    common: list[Any] = [
        "curl",
        "--silent",
        "--show-error",
        "--max-time",
        "30",
        "--user",
        f"{user}:{PASSWORD}",
    ]
    if endpoint.tls != "none":
        common += ["--ssl-reqd", "--cacert", endpoint.ca]
    results = [_run([*common, f"{base}/INBOX", "--upload-file", upload])]
    for arguments in (
        [f"{base}/"],
        [f"{base}/INBOX;MAILINDEX=1"],
        [f"{base}/INBOX;UID=1;SECTION=HEADER"],
        [f"{base}/INBOX;MAILINDEX=1;SECTION=1"],
        [f"{base}/INBOX?SUBJECT%20Message"],
        [f"{base}/INBOX", "--request", "FETCH 1 (UID FLAGS)"],
        [f"{base}/", "--request", "CREATE Curled"],
        [f"{base}/", "--request", 'LIST "" "*"'],
        [f"{base}/INBOX", "--request", "COPY 1 Curled"],
        [f"{base}/Curled;MAILINDEX=1"],
        [f"{base}/", "--login-options", "AUTH=PLAIN", "--request", "NOOP"],
        [f"{base}/", "--login-options", "AUTH=LOGIN", "--request", "NOOP"],
        # Several commands over one connection, which curl keeps.
        [f"{base}/INBOX;MAILINDEX=1", f"{base}/Curled;MAILINDEX=1"],
    ):
        printed = _run([*common, *arguments])
        # Folders come in the order of the server's file system.
        results.append("\n".join(sorted(printed.splitlines())) if "* LIST" in printed else printed)
    assert "Message 1" in results[2] and results[5].strip() == "* SEARCH 1"
    return results


def mbsync(endpoint: Endpoint, user: str, directory: Path) -> dict[str, list[str]]:
    """Syncs both ways three times; returns what the local copy and the server then hold."""
    local = directory / "mail"
    local.mkdir(parents=True)
    (directory / "password").write_text(PASSWORD)
    host = endpoint.host.replace("127.0.0.1", "localhost")  # it checks names alone, not addresses
    kind = {"none": "None", "starttls": "STARTTLS", "implicit": "IMAPS"}[endpoint.tls]
    certificate = f"CertificateFile {endpoint.ca}\n" if endpoint.tls != "none" else ""
    (directory / "mbsyncrc").write_text(
        f"IMAPAccount account\nHost {host}\nPort {endpoint.port}\nUser {user}\n"
        f'PassCmd "cat {directory}/password"\nSSLType {kind}\n{certificate}AuthMechs LOGIN\n\n'
        "IMAPStore far\nAccount account\n\n"
        f"MaildirStore near\nSubFolders Verbatim\nPath {local}/\nInbox {local}/INBOX\n\n"
        "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\n"
        f"SyncState *\nCopyArrivalDate yes\n"
    )
    sync = ["mbsync", "--config", directory / "mbsyncrc", "--all"]
    device = Device(endpoint, user, PASSWORD)
    try:
        device.create("Works")
        for number in range(1, 21):
            device.append(
                "INBOX" if number % 2 else "Works",
                r"\Seen" if number % 3 else "",
                DATE,
                message(number),
            )
        _run(sync)
        # New mail and a flag here, a deletion and new mail there.
        for number in (30, 31):
            name = f"{1767225600 + number}.M{number}.here:2,F"
            (local / "INBOX/cur" / name).write_bytes(message(number).replace(b"\r\n", b"\n"))
        first = sorted((local / "Works/cur").iterdir())[0]
        first.rename(first.with_name(first.name.split(":2,")[0] + ":2,FS"))
        device.select("INBOX")
        device.store("1", "+FLAGS", r"(\Deleted)")
        device.expunge()
        device.append("Works", "", DATE, message(40, 300_000))
        _run(sync)
        device.create("Later")
        device.append("Later", r"\Flagged", DATE, message(50))
        _run(sync)
        there = [
            hashlib.sha256(_without_synchronisation_mark(body)).hexdigest()
            for folder in ("INBOX", "Works", "Later")
            if device.select(folder)[0] == "OK"
            for body in sorted(bodies(device))
        ]
    finally:
        device.end()
    here = [
        f"{path.parent.parent.name} {path.name.partition(':2,')[2]} "
        + hashlib.sha256(_without_synchronisation_mark(path.read_bytes())).hexdigest()
        for path in local.glob("*/*/*")
        if path.parent.name in ("cur", "new")
    ]
    assert len(there) == len(here) == 23
    return {"here": sorted(here), "there": there}


def _without_synchronisation_mark(content: bytes) -> bytes:
    """mbsync adds an X-TUID header of random value to what it uploads."""
    return re.sub(rb"X-TUID: [^\n]*\n", b"", content.replace(b"\r\n", b"\n"))


def install_npm_packages() -> Path:
    """Installs what package-lock.json names, once; returns where, with our programs beside it."""
    INSTALLED.parent.mkdir(exist_ok=True)
    with (INSTALLED.parent / "npm.lock").open("w") as lock:  # other workers of the test run
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _install_npm_packages()


def _install_npm_packages() -> Path:
    files = sorted(PACKAGES.glob("package*.json")) + sorted(PACKAGES.glob("*.mjs"))
    mark = INSTALLED / ".installed"
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    if not mark.exists() or mark.read_text() != digest:
        shutil.rmtree(INSTALLED, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        for file in files:
            shutil.copy(file, INSTALLED)
        _run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev"],
            cwd=INSTALLED,
        )
        mark.write_text(digest)
    return INSTALLED


def imapflow_is_let_in(host: str, port: int, ca: Path, auth: dict[str, str]) -> bool:
    """Runs npm/imapflow_login.mjs; `auth` as imapflow's documentation has it."""
    said = _run(
        ["node", install_npm_packages() / "imapflow_login.mjs"],
        input=json.dumps({"host": host, "port": port, "auth": auth}),
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(ca)},
    )
    return bool(json.loads(said)["accepted"])


def imapflow(endpoint: Endpoint, user: str, directory: Path) -> dict[str, Any]:
    """Runs npm/imapflow_scenario.mjs, which says what it saw as JSON."""
    installed = install_npm_packages()
    directory.mkdir(parents=True)
    large = directory / "large.eml"
    large.write_bytes(message(3, 1_500_000))
    small = directory / "small.eml"
    small.write_bytes(message(2))
    request = {
        "host": endpoint.host,
        "port": endpoint.port,
        "tls": endpoint.tls,
        "user": user,
        "password": PASSWORD,
        "small": str(small),
        "large": str(large),
    }
    environment = dict(os.environ)
    if endpoint.ca:
        environment["NODE_EXTRA_CA_CERTS"] = str(endpoint.ca)
    said = json.loads(
        _run(
            ["node", installed / "imapflow_scenario.mjs"],
            input=json.dumps(request),
            env=environment,
        )
    )
    assert said["large"] == hashlib.sha256(large.read_bytes()).hexdigest()
    assert said["pushed"] == 3
    return said
