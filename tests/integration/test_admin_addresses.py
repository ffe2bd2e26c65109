"""Where the admin interface listens: Unix sockets with their files, IPv6, several addresses at a time."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from admin_api import OPERATOR, READER, Api, admin_section
from headgate_process import PATIENCE, REFUSED, binary, configuration

TCP = "127.0.0.1:0"
NOBODY = 65534


@pytest.fixture
def folder():
    """One that everybody may enter, so that the bits of the socket alone decide."""
    made = tempfile.mkdtemp(prefix="headgate-admin-")
    os.chmod(made, 0o755)
    yield Path(made)
    shutil.rmtree(made)


@pytest.fixture
def path(folder):
    return str(folder / "admin.sock")


def headgate(*arguments):
    return subprocess.run([binary(), *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)


def is_socket(path):
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def another(proxied, tmp_path, address, **admin):
    """What `run` says of a second configuration that cannot be served."""
    config = configuration(proxied.certificate, [proxied.backend().address],
                           admin={"address": address, **admin})
    second = type(proxied.gate)(tmp_path / "another", config) if proxied.gate else None
    assert second is not None
    done = subprocess.run([binary(), "run", "--config", second.write_config()], capture_output=True, text=True,
                          timeout=60, check=False, env=second.environment())
    assert done.returncode == 1
    return done.stderr


def test_who_may_open_the_socket_may_do_everything_and_the_log_says_who_did(proxied, path):
    backend = proxied.backend()
    gate = proxied.start(backend, admin={"address": path})
    api = Api(gate, token="")
    me = f"uid={os.geteuid()},pid={os.getpid()}"
    assert api.get("status")["ready"]
    assert api.backend(backend.address, "drain", {})["order"]["by"] == me
    entry = gate.log.wait_for("operator", action="drain")[0]
    assert entry["client"] == me and entry["token"] == ""
    assert gate.metrics().value("headgate_backend_draining", backend=backend.address) == 1
    assert gate.get("/healthz") == "ok\n"


def test_a_token_that_is_sent_counts_over_the_socket_too(proxied, path, tmp_path):
    backend = proxied.backend()
    proxied.secrets += [OPERATOR, READER]
    gate = proxied.start(backend, admin=admin_section(tmp_path, path))
    assert Api(gate).backend(backend.address, "disable", {})["order"]["by"] == "alice"
    drain = f"backends/main/{backend.address}/drain"
    assert Api(gate, READER).raw("POST", drain, {})[0] == 403
    assert Api(gate, "a-token-that-nobody-has").raw("GET", "status")[0] == 401
    assert Api(gate, "").raw("POST", drain, {})[0] == 200
    assert [entry["token"] for entry in gate.log.wait_for("operator", 2)] == ["alice", ""]


def test_a_port_beside_the_socket_asks_for_tokens_as_ever(proxied, path, tmp_path):
    backend = proxied.backend()
    proxied.secrets += [OPERATOR, READER]
    gate = proxied.start(backend, admin=admin_section(tmp_path, [TCP, path]))
    drain = f"backends/main/{backend.address}/drain"
    assert Api(gate, "").raw("GET", "status")[0] == 401
    assert Api(gate, READER).raw("POST", drain, {})[0] == 403
    assert Api(gate).raw("POST", drain, {})[0] == 200
    assert Api(gate, "", "http://unix").raw("POST", drain, {})[0] == 200
    assert gate.metrics().value("headgate_backend_draining", backend=backend.address) == 1


def test_without_tokens_a_port_beside_the_socket_can_be_read_alone(proxied, path):
    backend = proxied.backend()
    gate = proxied.start(backend, admin={"address": [path, TCP]})
    drain = f"backends/main/{backend.address}/drain"
    assert Api(gate, "").raw("GET", "status")[0] == 200
    assert Api(gate, "").raw("POST", drain, {})[0] == 403
    assert Api(gate, "", "http://unix").raw("POST", drain, {})[0] == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else")
def test_the_bits_of_the_file_decide_who_may(proxied, path):
    ask = (f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({path!r}); "
           "s.sendall(b'POST /api/v1/reload HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n'); print(s.makefile().readline())")

    def as_nobody():
        return subprocess.run([sys.executable, "-B", "-c", ask], user=NOBODY, group=NOBODY, extra_groups=[],
                              capture_output=True, text=True, timeout=60, check=False, cwd="/")

    gate = proxied.start(admin={"address": path})
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o600
    assert "PermissionError" in as_nobody().stderr
    gate.stop()
    gate = proxied.start(admin={"address": path, "socket_mode": "0660", "socket_group": str(NOBODY)})
    assert os.lstat(path).st_gid == NOBODY and stat.S_IMODE(os.lstat(path).st_mode) == 0o660
    assert " 200 " in as_nobody().stdout
    assert gate.log.wait_for("operator", action="reload")[0]["client"].startswith(f"uid={NOBODY},pid=")


def test_a_file_left_by_a_process_that_was_killed_is_replaced(proxied, path):
    gate = proxied.start(admin={"address": path})
    gate.kill()
    assert is_socket(path)
    gate = proxied.start(admin={"address": path})
    assert gate.get("/healthz") == "ok\n"
    gate.stop()
    assert not os.path.lexists(path)


def test_a_socket_in_use_and_a_file_that_is_none_are_left_alone(proxied, path, tmp_path):
    gate = proxied.start(admin={"address": path})
    assert f"admin {path}: bind: Address already in use" in another(proxied, tmp_path, path)
    assert gate.get("/healthz") == "ok\n"
    precious = path + ".txt"
    Path(precious).write_text("precious")
    assert f"admin {precious}: what is there is no socket" in another(proxied, tmp_path, precious)
    assert Path(precious).read_text() == "precious"
    nowhere = path + ".d/admin.sock"
    assert "No such file or directory" in another(proxied, tmp_path, nowhere)


def test_a_check_of_the_configuration_leaves_the_socket_alone(proxied, path):
    gate = proxied.start(admin={"address": path})
    assert gate.check().returncode == 0
    assert gate.get("/healthz") == "ok\n"


def test_a_reload_keeps_the_socket(proxied, path):
    gate = proxied.start(admin={"address": path})
    good = gate.config["admin"]
    before = os.lstat(path)
    gate.config["limits"] = {"sessions_per_user": 7}
    gate.reload()
    assert Api(gate, "").post("reload")["changes"] == []
    gate.config["admin"] = {"address": [path, TCP], "socket_mode": "0660"}
    gate.reload(REFUSED)
    errors = [entry["error"] for entry in gate.log.wait_for(REFUSED, 2)]
    assert any(f'admin.address: "{path}" -> ["{path}", "{TCP}"]' in error for error in errors), errors
    assert any("only a restart changes this: admin.socket_mode" in error for error in errors), errors
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    gate.config["admin"] = good
    assert gate.get("/healthz") == "ok\n"


@pytest.mark.parametrize("form", ["{}", "unix:{}", "http://unix:{}", "http://unix:{}:/"])
def test_the_commands_reach_the_socket_by_its_path(proxied, path, form):
    backend = proxied.backend()
    proxied.start(backend, admin={"address": path})
    done = headgate("drain", backend.address, "--admin", form.format(path))
    assert done.returncode == 0 and "draining" in done.stdout, done.stderr


def test_the_commands_prefer_the_socket_of_the_configuration(proxied, path, tmp_path):
    backend = proxied.backend()
    proxied.secrets += [OPERATOR, READER]
    gate = proxied.start(backend, admin=admin_section(tmp_path, ["127.0.0.1:1", path][1:]))
    gate.config["admin"]["address"] = ["127.0.0.1:1", path]  # nobody answers at the first
    file = gate.write_config()
    done = headgate("disable", backend.address, "--config", file)
    assert done.returncode == 0, done.stderr
    entry = gate.log.wait_for("operator", action="disable")[0]
    assert entry["token"] == "" and entry["client"].startswith(f"uid={os.geteuid()},pid=")
    done = headgate("status", "--config", file, "--token-file", tmp_path / "bob.token")
    assert done.returncode == 0, done.stderr
    done = headgate("enable", backend.address, "--config", file, "--token-file", tmp_path / "bob.token")
    assert done.returncode == 1 and "role operator" in done.stderr
    gate.stop()
    done = headgate("status", "--config", file)
    assert done.returncode == 1 and "127.0.0.1:1: " in done.stderr


def test_the_commands_say_why_a_socket_does_not_answer(folder):
    missing = headgate("status", "--admin", folder / "none.sock")
    assert missing.returncode == 1
    assert f"{folder}/none.sock: " in missing.stderr and "No such file or directory" in missing.stderr
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(folder / "stale.sock"))
    assert "Connection refused" in headgate("status", "--admin", folder / "stale.sock").stderr


def test_ipv6_loopback_is_loopback(proxied):
    backend = proxied.backend()
    gate = proxied.start(backend, admin={"address": "[::1]:0"})
    assert gate.admin[0] == "::1"
    assert gate.get("/readyz") == "ready\n" and gate.metrics().matching("headgate_build_info")
    api = Api(gate, "")
    assert api.raw("GET", "status")[0] == 200
    assert api.raw("POST", f"backends/main/{backend.address}/drain", {})[0] == 403
    done = headgate("status", "--admin", gate.admin_url())
    assert done.returncode == 0 and "ready" in done.stdout, done.stderr


@pytest.mark.parametrize("address", [TCP, "[::1]:0", "socket"])
def test_half_requests_and_silent_connections_keep_nobody_away(proxied, path, address):
    gate = proxied.start(admin={"address": path if address == "socket" else address})
    family = {TCP: socket.AF_INET, "[::1]:0": socket.AF_INET6, "socket": socket.AF_UNIX}[address]
    crowd = []
    for number in range(300):
        client = socket.socket(family)
        client.settimeout(PATIENCE)
        client.connect(gate.admin_socket if address == "socket" else gate.admin)
        if number % 2:
            client.sendall(b"POST /api/v1/kick HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        crowd.append(client)
    assert gate.metrics().matching("headgate_build_info")
    assert gate.get("/healthz") == "ok\n"
    first = crowd[0].recv(4096)
    assert first.startswith(b"HTTP/1.1 408 ") and b'{"error":' in first
    for client in crowd:
        client.close()
