"""What an operator sees of sessions: metrics, health, one line a session, and never a secret."""

import re
import shutil
import subprocess
import time

import pytest

from fake_backend import PASSWORD, End, Script
from threads import thread_names
from unreachable import Refusing, Unanswering

METRICS = {
    "headgate_connections_total": "counter",
    "headgate_tls_handshakes_total": "counter",
    "headgate_logins_total": "counter",
    "headgate_login_duration_seconds": "histogram",
    "headgate_sessions": "gauge",
    "headgate_session_ends_total": "counter",
    "headgate_session_duration_seconds": "histogram",
    "headgate_relayed_bytes_total": "counter",
    "headgate_backend_up": "gauge",
    "headgate_backend_sessions": "gauge",
    "headgate_backend_weight": "gauge",
    "headgate_backend_draining": "gauge",
    "headgate_backend_failures_total": "counter",
    "headgate_limit_hits_total": "counter",
    "headgate_bad_commands_total": "counter",
    "headgate_buffers_in_use": "gauge",
    "headgate_bulk_sessions": "gauge",
    "headgate_lost_sessions": "gauge",
    "headgate_loop_lag_seconds": "histogram",
    "headgate_build_info": "gauge",
    "headgate_config_info": "gauge",
    "headgate_process_resident_memory_bytes": "gauge",
    "headgate_process_open_fds": "gauge",
    "headgate_process_cpu_seconds_total": "counter",
}


def test_the_kernels_table_of_descriptors_is_there_before_the_sessions_are(proxied):
    """A thread that needs it larger waits for all processors."""
    gate = proxied.start()
    with open(f"/proc/{gate.process.pid}/status", encoding="ascii") as status:
        places = int(re.search(r"FDSize:\s+(\d+)", status.read()).group(1))
    allowed = gate.metrics().value("headgate_process_max_fds")
    assert places >= min(allowed, 262_144), allowed


def test_threads_are_called_by_what_they_do(proxied):
    gate = proxied.start(workers=3)
    assert proxied.enter().login("alice", "wrong").startswith(b"NO")
    names = set(thread_names(gate.process.pid).values())
    assert {"worker 0", "worker 1", "worker 2", "names", "health", "admin http", "admin crew", "headgate"} <= names
    assert not [name for name in names if re.match(r"worker [^012]", name)]


def test_every_metric_of_the_design_is_there_with_its_type_and_help(proxied):
    gate = proxied.start()
    proxied.logged_in().command("LOGOUT")
    text = gate.metrics().text
    for name, kind in METRICS.items():
        assert f"# TYPE {name} {kind}\n" in text, name
        assert f"# HELP {name} " in text, name


def test_promtool_finds_nothing_to_say_about_the_page(proxied):
    gate = proxied.start()
    proxied.logged_in().command("LOGOUT")
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: scripts/setup installs it (package prometheus)"
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=gate.metrics().text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_healthz_says_ok_and_an_unknown_page_is_not_found(proxied):
    gate = proxied.start()
    assert gate.get("/healthz").strip().lower().startswith("ok")
    with pytest.raises(Exception, match="404"):
        gate.get("/no-such-page")


def test_connections_logins_and_sessions_are_counted_right(proxied):
    gate = proxied.start()
    clients = [
        proxied.logged_in(f"user{n}", door)
        for n, door in enumerate(["imaps", "imap", "plain", "imaps"])
    ]
    assert proxied.enter().login("alice", "wrong").startswith(b"NO")
    waiting = proxied.enter("plain")
    metrics = gate.wait_for_metrics(  # the greeting is out a moment before its phase is counted
        lambda m: m.value("headgate_sessions", phase="relay") == 4
        and m.value("headgate_sessions", phase="client_login") == 2
    )
    assert metrics.value("headgate_connections_total", listener="imaps") == 3
    assert metrics.value("headgate_connections_total", listener="imap") == 1
    assert metrics.value("headgate_connections_total", listener="plain") == 2
    assert metrics.value("headgate_logins_total", result="ok") == 4
    assert metrics.value("headgate_logins_total", result="wrong_credentials") == 1
    assert metrics.value("headgate_logins_total") == 5
    assert metrics.value("headgate_tls_handshakes_total", side="client", result="ok") == 4
    assert metrics.value("headgate_sessions", listener="imaps", phase="relay") == 2
    assert metrics.value("headgate_backend_sessions") == 4
    for stage, count in {"tls": 4, "connect": 4, "backend_login": 4, "total": 4}.items():
        assert metrics.value("headgate_login_duration_seconds_count", stage=stage) == count, stage
    for client in [*clients, waiting]:
        client.command("LOGOUT")
        client.close()
    metrics = gate.wait_for_metrics(lambda m: m.value("headgate_sessions") == 1)
    assert metrics.value("headgate_session_ends_total") == 5
    assert metrics.value("headgate_session_ends_total", reason="client_logout") == 1
    assert metrics.value("headgate_backend_sessions") == 0
    assert metrics.value("headgate_session_duration_seconds_count") == 5


def test_relayed_bytes_are_counted_by_direction(proxied):
    backend = proxied.backend(Script(then="hand_over"))
    gate = proxied.start(backend)
    client, connection = proxied.pair(backend)
    client.send(b"x" * 12_345)
    received = 0
    while received < 12_345:
        received += len(connection.stream.receive())
    connection.stream.send(b"y" * 54_321)
    client.exactly(54_321)
    metrics = gate.wait_for_metrics(lambda m: m.value("headgate_relayed_bytes_total") >= 66_666)
    to_client = metrics.value("headgate_relayed_bytes_total", direction="to_client")
    assert metrics.value("headgate_relayed_bytes_total", direction="to_backend") == 12_345
    assert 0 <= to_client - 54_321 < 300  # the reply to the login may count
    client.half_close()
    connection.stream.close()
    end = proxied.end()
    assert (end["bytes_to_backend"], end["bytes_to_client"]) == (12_345, to_client)


def test_bad_commands_and_limits_are_counted(proxied):
    gate = proxied.start(proxied.backend(unreachable=True))
    client = proxied.enter()
    client.command("NONSENSE")
    client.command("NONSENSE")
    client.send(b"a NOOP " + b"x" * 10_000 + b"\r\n")
    client.rest_until_gone()
    gate.session_ends(1)
    metrics = gate.metrics()
    assert metrics.value("headgate_bad_commands_total") >= 2
    assert metrics.value("headgate_limit_hits_total", limit="line") == 1


def test_a_failed_backend_shows(proxied):
    dead, good = proxied.keep(Refusing()), proxied.backend()
    gate = proxied.start(
        {"address": dead.address, "weight": 10_000}, {"address": good.address, "weight": 1}
    )
    proxied.logged_in("user1")
    metrics = gate.metrics()
    assert metrics.value("headgate_backend_failures_total", pool="main", backend=dead.address) == 1
    assert metrics.value("headgate_backend_up", pool="main", backend=dead.address) == 0
    assert metrics.value("headgate_backend_up", pool="main", backend=good.address) == 1
    assert metrics.value("headgate_backend_weight", pool="main", backend=dead.address) == 10_000
    gate.log.wait_for("backend attempt failed")
    lines = [
        e for e in gate.log.entries if dead.address in str(e) and e["level"] in ("warning", "error")
    ]
    assert lines, "no line about the backend that failed"


SESSION_FIELDS = [
    "session",
    "user",
    "client",
    "listener",
    "tls",
    "cipher",
    "pool",
    "backend",
    "reason",
    "fault",
]


def test_a_session_leaves_one_line_with_everything_about_it(proxied):
    backend = proxied.backend()
    gate = proxied.start(backend)
    client = proxied.logged_in("alice@example.org")
    client.command("LOGOUT")
    assert client.rest() == b""  # the backend ends first
    client.close()
    end = proxied.end()
    for field in SESSION_FIELDS:
        assert end.get(field), f"{field} is missing in {end}"
    assert end["user"] == "alice@example.org"
    assert end["client"] == "127.0.0.1:{}".format(client.stream.local[1])
    assert end["listener"] == "imaps"
    assert end["tls"] == "TLSv1.3"
    assert end["pool"] == "main"
    assert end["backend"] == backend.address
    assert end["reason"] == "backend_closed"
    stages = [key for key in end if key.endswith("_ms")]
    assert {"tls_ms", "connect_ms", "backend_login_ms"} <= set(stages), end
    assert all(end[stage] >= 0 for stage in stages)
    time.sleep(0.2)
    assert len(gate.log.wait_for("session end")) == 1


def test_a_session_that_never_logged_in_leaves_one_line_too(proxied):
    proxied.start(proxied.backend(unreachable=True))
    proxied.enter("plain").reset()
    end = proxied.end()
    assert end["reason"] == "client_reset"
    assert end["fault"] == "client"
    assert end["listener"] == "plain"


def test_a_client_that_speaks_no_tls_is_named_as_such(proxied):
    gate = proxied.start(proxied.backend(unreachable=True))
    client = proxied.connect("imaps", tls=False)
    client.send(b"a LOGIN alice wonderland\r\n")
    client.rest_until_gone()
    assert proxied.end()["reason"] == "client_tls_failed"
    assert (
        gate.metrics().value("headgate_tls_handshakes_total", side="client", result="failed") == 1
    )


def test_every_timeout_line_names_the_state_of_both_sides(proxied):
    proxied.start(
        proxied.backend(Script(login=[End.HANG])),
        pool={"login_timeout": "1s"},
        login={"timeout": "2s"},
        relay={"idle_timeout": "1s"},
    )
    client = proxied.enter()
    client.login()
    client.rest_until_gone()
    proxied.end("login_timeout")
    lines = [
        e for e in proxied.gate.log.entries if "timeout" in f"{e.get('failure')}{e.get('reason')}"
    ]
    assert len(lines) >= 2, proxied.gate.log.text()
    for line in lines:
        assert "client_state" in line and "backend_state" in line, line


def test_a_connect_timeout_names_the_state_of_both_sides(proxied):
    silent = proxied.keep(Unanswering())
    proxied.start(silent, pool={"connect_timeout": "300ms", "login_timeout": "600ms"})
    proxied.enter().login()
    proxied.gate.log.wait_for("login failed")
    lines = [e for e in proxied.gate.log.entries if e.get("failure") == "connect_timeout"]
    assert lines, proxied.gate.log.text()
    for line in lines:
        assert "client_state" in line and "backend_state" in line, line


def test_an_idle_timeout_names_the_state_of_both_sides(proxied):
    backend = proxied.backend(Script(then="hand_over"))
    proxied.start(backend, relay={"idle_timeout": "1s"})
    client, _ = proxied.pair(backend)
    client.rest_until_gone()
    line = proxied.end("idle_timeout")
    assert "client_state" in line and "backend_state" in line, line


SECRETS = {
    "quoted": b'a LOGIN alice "secret-one"\r\n',
    "atom": b"a LOGIN alice secret-one\r\n",
    "literal": b"a LOGIN alice {10+}\r\nsecret-one\r\n",
    "SASL": b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldC1vbmU=\r\n",
    "broken command": b"a LOGIN alice secret-one secret-one\r\n",
    "password as command": b"secret-one secret-one\r\n",
    "password as tag alone": b"secret-one\r\n",
    "broken SASL": b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldC1vbmU=secret-one\r\n",
    "password in the user's place": b'a LOGIN "" secret-one\r\n',
}


@pytest.mark.parametrize("backend", ["obedient", "breaking", "wordy", "repeating"])
def test_no_secret_is_in_the_log_at_debug_level(proxied, backend):
    scripts = {
        "obedient": Script(),
        "breaking": Script(login=[End.RESET]),
        "wordy": Script(login=lambda c: [b"{tag} BAD what is LOGIN alice " + c.password + b"\r\n"]),
        "repeating": Script(login=lambda c: [b"{tag} NO " + c.password + b" is wrong\r\n"]),
    }
    proxied.start(
        proxied.backend(scripts[backend]),
        login={"max_bad_commands": 50, "failure_delay": "1ms"},
        pool={"login_timeout": "2s"},
    )
    for command in SECRETS.values():
        client = proxied.enter()
        client.send(command)
        client.line()
        client.close()
    proxied.gate.session_ends(len(SECRETS))
    text = proxied.gate.log.text()
    assert "session end" in text
    for secret in ("secret-one", "AGFsaWNlAHNlY3JldC1vbmU", "c2VjcmV0LW9uZ"):
        assert secret not in text


def test_log_lines_cannot_be_forged_by_a_user_name(proxied):
    gate = proxied.start(log={"level": "debug", "format": "text"})
    client = proxied.enter()
    user = 'x"\\ reason=forged \x1b[31m\u2028 session end'
    client.command(f"LOGIN {{{len(user.encode())}+}}\r\n{user} guess".encode())
    client.command("LOGOUT")
    [end] = gate.session_ends(1)
    assert end["reason"] == "client_logout"
    assert "\x1b" not in gate.log.text()
    assert all(
        line[:2] == "20" for line in gate.log.lines
    ), "a line that does not begin with its time"


def test_text_lines_carry_the_same_fields(proxied):
    gate = proxied.start(log={"level": "info", "format": "text"})
    client = proxied.logged_in()
    client.command("LOGOUT")
    client.close()
    [end] = gate.session_ends(1)
    assert set(SESSION_FIELDS) <= set(end)
    assert end["user"] == "alice"
    assert PASSWORD.decode() not in gate.log.text()
