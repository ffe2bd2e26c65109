"""The user source pam: real PAM with pam_pwdfile, pam_unix and pam_exec, in helper processes."""

import ctypes
import os
import signal
import time
from pathlib import Path

import pytest

from fake_backend import Script
from server_process import wait_until_frozen

MASTER = Script(passwords={b"headgate-master": b"mastersecret"})


def hashed(password):
    crypt = ctypes.CDLL("libcrypt.so.1")
    crypt.crypt.restype = ctypes.c_char_p
    return crypt.crypt(password.encode(), b"$6$rounds=1000$saltsalt$").decode()


@pytest.fixture
def services(tmp_path):
    """A folder of PAM services of the test's own; write(NAME, LINES) adds one."""
    folder = tmp_path / "pam.d"
    folder.mkdir()
    (tmp_path / "passwd").write_text("".join(f"{user}:{hashed('sesame')}\n" for user in ("alice", "bob")))

    class Services:
        path = folder
        pwdfile = f"required pam_pwdfile.so pwdfile={tmp_path / 'passwd'}"

        def write(self, name, *lines):
            (folder / name).write_text("".join(line + "\n" for line in lines))

        def script(self, text):
            """An auth line: the script decides, and finds the user in $PAM_USER."""
            program = tmp_path / "script"
            program.write_text("#!/bin/sh\n" + text)
            program.chmod(0o755)
            return [
                f"auth [success=1 default=ignore] pam_exec.so quiet {program}",
                "auth requisite pam_deny.so",
                "auth required pam_permit.so",
            ]

    return Services()


def start(proxied, services, service, source=None, users=(), **pam):
    proxied.secrets += ["mastersecret", "sesame"]
    backend = proxied.backend(MASTER, forbidden=[b"sesame"])
    entry = {"source": "pam", "pool": "main", **(source or {}),
             "pam": {"service": service, "directory": str(services.path), **pam}}
    proxied.start(
        backend,
        pool={"master": {"user": "headgate-master", "password": "mastersecret"}},
        users=[entry, *users],
        login={"max_failures": 1000},
    )
    return backend


def helpers(proxied):
    """The helper processes that are there."""
    children = Path(f"/proc/{proxied.gate.process.pid}/task").glob("*/children")
    return [int(pid) for task in children for pid in task.read_text().split()]


def login(proxied, user, password="sesame"):
    return proxied.enter().login(user, password)


def test_modules_say_who_gets_in(proxied, services):
    services.write("mail", f"auth {services.pwdfile}", "account required pam_permit.so")
    backend = start(proxied, services, "mail")
    assert login(proxied, "alice").startswith(b"OK")
    assert login(proxied, "alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert login(proxied, "nobody-here").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert login(proxied, "alice", "").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert [(one.authorization, one.user) for one in backend.connections] == [
        (b"alice", b"headgate-master")
    ]


def test_an_account_may_be_closed_and_only_who_knows_the_password_is_told(proxied, services):
    services.write("mail", f"auth {services.pwdfile}", "account requisite pam_deny.so")
    start(proxied, services, "mail")
    assert login(proxied, "alice").startswith(b"NO [CONTACTADMIN]")
    assert login(proxied, "alice", "wrong").startswith(b"NO [AUTHENTICATIONFAILED]")


def test_whom_pam_does_not_know_the_next_source_may(proxied, services, tmp_path):
    services.write("mail", "auth required pam_unix.so", "account required pam_unix.so")
    users = tmp_path / "users.passwd"
    users.write_text(f"carol@example.org:{hashed('sesame')}\n")
    start(proxied, services, "mail",
          users=[{"source": "passwd_file", "path": str(users), "pool": "main"}])
    assert login(proxied, "carol@example.org").startswith(b"OK")


def test_a_module_that_hangs_costs_its_own_login_alone(proxied, services):
    lines = services.script('[ "$PAM_USER" = slow ] && exec sleep 60\nexit 0\n')
    services.write("mail", *lines, "account required pam_permit.so")
    start(proxied, services, "mail", source={"deadline": "1s"}, processes=2)
    slow = proxied.enter()
    slow.send(b"s LOGIN slow sesame\r\n")
    assert login(proxied, "alice").startswith(b"OK")
    assert slow.line().startswith(b"s NO [UNAVAILABLE]")
    deadline = time.monotonic() + 10
    while len(helpers(proxied)) > 1:
        assert time.monotonic() < deadline, "the helper that hangs is still there"
        time.sleep(0.02)
    for _ in range(4):
        assert login(proxied, "alice").startswith(b"OK")


def test_a_helper_that_dies_is_replaced(proxied, services):
    lines = services.script('[ "$PAM_USER" = killer ] && kill -9 $PPID\nexit 0\n')
    services.write("mail", *lines, "account required pam_permit.so")
    start(proxied, services, "mail", processes=1)
    assert login(proxied, "alice").startswith(b"OK")
    assert login(proxied, "killer").startswith(b"NO [UNAVAILABLE]")
    assert login(proxied, "alice").startswith(b"OK")
    for pid in helpers(proxied):
        os.kill(pid, 9)
    assert login(proxied, "alice").startswith(b"OK")


def test_a_question_that_a_dying_helper_has_not_read_goes_to_the_next_one(proxied, services):
    services.write("mail", f"auth {services.pwdfile}", "account required pam_permit.so")
    start(proxied, services, "mail", processes=1)
    assert login(proxied, "alice").startswith(b"OK")
    (pid,) = helpers(proxied)
    os.kill(pid, signal.SIGSTOP)
    wait_until_frozen(pid)
    client = proxied.enter()
    client.send(b"a LOGIN alice sesame\r\n")
    proxied.gate.wait_for_metrics(lambda m: m.value("headgate_source_under_way", source="pam") == 1)
    os.kill(pid, signal.SIGKILL)
    assert client.reply("a")[1].startswith(b"a OK")


def test_no_helper_outlives_headgate(proxied, services):
    services.write("mail", f"auth {services.pwdfile}", "account required pam_permit.so")
    start(proxied, services, "mail", processes=2)
    assert login(proxied, "alice").startswith(b"OK")
    pids = helpers(proxied)
    assert pids
    for pid in pids:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        assert words[1:3] == [b"pam-helper", b"mail"], "nothing of a login stands on a command line"
    proxied.gate.stop()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_modules_that_are_not_there_are_no_wrong_password(proxied, services):
    services.write("mail", "auth required pam_that_is_not_there.so")
    start(proxied, services, "mail")
    assert login(proxied, "alice").startswith(b"NO [UNAVAILABLE]")


def test_a_service_that_is_not_there_is_found_by_check(proxied, services):
    services.write("mail", "auth required pam_permit.so")
    start(proxied, services, "mail")
    proxied.gate.config["users"][0]["pam"]["service"] = "none"
    result = proxied.gate.check()
    assert result.returncode == 1
    assert f"pam: pam.service: expected a file {services.path}/none that can be read" in result.stderr
