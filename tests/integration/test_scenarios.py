"""Whatever a mail client does gives the same results through Headgate as on the server itself."""

from __future__ import annotations

import difflib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority, Certificate
from dovecot import MASTER_PASSWORD, MASTER_USER, Dovecot
from headgate_process import Headgate, configuration
from scenarios import imap_scenarios, other_clients
from scenarios.device import TIMEOUT, Device
from scenarios.imap_scenarios import Scenario
from scenarios.world import PASSWORD, World, front, play, start_server
from server_process import Endpoint

pytestmark = pytest.mark.servers

SERVERS = ("dovecot", "cyrus")


def name_of(function: Any) -> str:
    return function.__name__


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[Any]:
    running = start_server(request.param, certificate)
    yield running
    survivors = running.stop()
    assert not survivors, f"{request.param} left processes behind: {survivors}"


@pytest.fixture(scope="module")
def world(
    server: Any,
    authority: Authority,
    certificate: Certificate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """Headgate before the server, plain text between them."""
    with front(server, tmp_path_factory.mktemp("headgate"), authority, certificate) as gate:
        yield World(server, gate, authority, "none")


def assert_same(direct: list[list[bytes]], through: list[list[bytes]]) -> None:
    assert len(direct) == len(through)
    for device, (expected, found) in enumerate(zip(direct, through, strict=True)):
        if expected != found:
            difference = difflib.unified_diff(
                [ascii(line[:200]) for line in expected],
                [ascii(line[:200]) for line in found],
                "direct",
                "through Headgate",
                lineterm="",
                n=2,
            )
            pytest.fail(f"device {device} saw something else:\n" + "\n".join(list(difference)[:60]))


@pytest.mark.parametrize("scenario", imap_scenarios.ALL, ids=name_of)
def test_imaplib_sees_the_same(world: World, scenario: Scenario) -> None:
    assert_same(*world.both(lambda endpoint, user: play(scenario, endpoint, user)))


@pytest.mark.parametrize("listener", ["imap", "plain"])
def test_imaplib_sees_the_same_over_the_other_listeners(world: World, listener: str) -> None:
    for scenario in imap_scenarios.ESSENTIAL:
        assert_same(*world.both(lambda e, user, run=scenario: play(run, e, user), listener))


@pytest.mark.parametrize("listener", ["imaps", "imap"])
@pytest.mark.parametrize(
    "client", [other_clients.curl, other_clients.mbsync, other_clients.imapflow], ids=name_of
)
def test_other_clients_see_the_same(
    world: World, client: Callable[..., Any], listener: str, tmp_path: Path
) -> None:
    direct, through = world.both(
        lambda endpoint, user: client(endpoint, user, tmp_path / user), listener
    )
    assert through == direct


@pytest.mark.parametrize("backend_tls", ["starttls", "implicit"])
def test_tls_to_the_backend_carries_everything(
    server: Any,
    authority: Authority,
    certificate: Certificate,
    tmp_path: Path,
    backend_tls: str,
    world: World,
) -> None:
    with front(server, tmp_path / "headgate", authority, certificate, backend_tls) as gate:
        secured = World(server, gate, authority, backend_tls, world.names)
        for scenario in imap_scenarios.ESSENTIAL:
            assert_same(*secured.both(lambda e, user, run=scenario: play(run, e, user)))


def test_a_session_is_counted_and_logged(world: World) -> None:
    user = next(world.names)
    device = Device(world.through("imaps"), user, PASSWORD)
    imap_scenarios.append(device, 3)
    device.end()
    (end,) = world.gate.session_ends(1, user=user)
    assert end["listener"] == "imaps" and end["tls"].startswith("TLSv1.") and end["pool"] == "main"
    assert end["backend"] == str(world.server.endpoint())
    assert end["bytes_to_backend"] > 3000 and end["bytes_to_client"] > 100


PROXY_V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_HEADERS = {
    "v1": b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 993\r\n",
    "v2": PROXY_V2_SIGNATURE
    + struct.pack(
        "!BBH4s4sHH",
        0x21,
        0x11,
        12,
        socket.inet_aton("192.0.2.7"),
        socket.inet_aton("192.0.2.1"),
        40000,
        993,
    ),
}


@pytest.fixture(scope="module")
def dovecot(certificate: Certificate) -> Iterator[Dovecot]:
    with Dovecot({"reader": PASSWORD}, certificate=certificate) as running:
        yield running


@pytest.mark.parametrize("tls", ["none", "implicit"])
@pytest.mark.parametrize("version", PROXY_HEADERS)
def test_the_backend_learns_the_client_behind_a_load_balancer(
    dovecot: Dovecot,
    authority: Authority,
    certificate: Certificate,
    start_headgate: Callable[[dict[str, Any]], Headgate],
    version: str,
    tls: str,
) -> None:
    listener = {
        "name": "behind_lb",
        "address": "127.0.0.1:0",
        "tls": tls,
        "proxy_protocol": {"trusted": ["127.0.0.0/8"]},
    }
    gate = start_headgate(
        configuration(certificate, [str(dovecot.endpoint())], listeners=[listener])
    )
    with socket.create_connection(gate.address("behind_lb"), timeout=TIMEOUT) as connection:
        connection.sendall(PROXY_HEADERS[version])
        secured: socket.socket = connection
        if tls == "implicit":
            secured = authority.client_context().wrap_socket(
                connection, server_hostname="localhost"
            )
        with secured:
            _login_and_logout(secured)
    (end,) = gate.session_ends(1)
    assert end["client"].startswith("192.0.2.7")
    assert dovecot.login_of(end["session"])["rip"] == "192.0.2.7"


def _login_and_logout(connection: socket.socket | ssl.SSLSocket) -> None:
    stream = connection.makefile("rwb")
    assert stream.readline().startswith(b"* OK [CAPABILITY ")
    stream.write(b'a LOGIN reader "%s"\r\nb LOGOUT\r\n' % _quoted(PASSWORD))
    stream.flush()
    replies = stream.read().split(b"\r\n")
    assert any(reply.startswith(b"a OK") for reply in replies), replies
    assert any(reply.startswith(b"b OK") for reply in replies), replies


def _quoted(text: str) -> bytes:
    return text.replace("\\", "\\\\").replace('"', '\\"').encode()


@pytest.mark.parametrize("separator", ["", "*"])
def test_a_passwd_file_decides_and_a_master_user_logs_in(
    separator: str,
    dovecot: Dovecot,
    authority: Authority,
    certificate: Certificate,
    tmp_path: Path,
    start_headgate: Callable[[dict[str, Any]], Headgate],
) -> None:
    passwords = tmp_path / "users.passwd"
    passwords.write_text("reader:{PLAIN}the proxy's own password\n")
    gate = start_headgate(
        configuration(
            certificate,
            [str(dovecot.endpoint())],
            pool={
                "master": {
                    "user": MASTER_USER,
                    "password": MASTER_PASSWORD,
                    **({"separator": separator} if separator else {}),
                }
            },
            users=[{"source": "passwd_file", "path": str(passwords), "pool": "main"}],
        )
    )
    host, port = gate.address("imaps")
    endpoint = Endpoint(host, port, "implicit", authority.ca)
    device = Device(endpoint, "reader", "the proxy's own password")
    assert device.select()[0] == "OK"
    device.end()
    with pytest.raises(Device.error):
        Device(endpoint, "reader", PASSWORD)
