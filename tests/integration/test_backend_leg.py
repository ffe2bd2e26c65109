"""What Headgate says to a backend and how it takes what the backend says, up to the end of the login."""

import pytest

import fake_backend
from fake_backend import AFTER_LOGIN, BEFORE_LOGIN, PASSWORD, Drip, End, Pause, Script
from raw_client import capability_code

ID_KEYS = [
    "x-session-id",
    "x-originating-ip",
    "x-originating-port",
    "x-connected-ip",
    "x-connected-port",
    "x-proxy-ttl",
    "x-client-transport",
]


def test_the_id_names_client_addresses_ttl_and_transport(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.logged_in()
    sent = backend.connections[0].id
    assert [key for key in backend.connections[0].id_keys if key.startswith("x-")][
        : len(ID_KEYS)
    ] == ID_KEYS
    assert sent["x-originating-ip"] == b"127.0.0.1"
    assert int(sent["x-originating-port"]) == client.stream.local[1]
    assert sent["x-connected-ip"] == b"127.0.0.1"
    assert int(sent["x-connected-port"]) == proxied.gate.port("imaps")
    assert sent["x-proxy-ttl"] == b"6"
    assert sent["x-client-transport"] == b"TLS"
    assert 0 < len(sent["x-session-id"]) <= 64
    assert sent.get("x-connected-name", b"localhost") == b"localhost"
    client.close()
    assert proxied.end()["session"] == sent["x-session-id"].decode()


def test_the_transport_of_a_client_in_the_clear_is_called_insecure(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    proxied.logged_in(door="plain")
    assert backend.connections[0].id["x-client-transport"] == b"insecure"


def test_the_transport_after_starttls_is_called_tls(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    proxied.logged_in(door="imap")
    assert backend.connections[0].id["x-client-transport"] == b"TLS"


def test_two_sessions_have_two_session_ids(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    proxied.logged_in()
    proxied.logged_in()
    first, second = (connection.id["x-session-id"] for connection in backend.connections)
    assert first != second


def behind_load_balancer(**protocol):
    return [
        {"name": "plain", "address": "127.0.0.1:0", "tls": "none", "proxy_protocol": protocol},
        {"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit", "proxy_protocol": protocol},
    ]


@pytest.mark.parametrize(
    ("header", "client", "connected"),
    [
        (
            b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 993\r\n",
            ("192.0.2.1", 56324),
            ("198.51.100.2", 993),
        ),
        (
            b"PROXY TCP6 2001:db8::1 2001:db8::2 4000 143\r\n",
            ("2001:db8::1", 4000),
            ("2001:db8::2", 143),
        ),
        (
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\xdc\4\3\xe1",
            ("192.0.2.1", 56324),
            ("198.51.100.2", 993),
        ),
    ],
    ids=["version 1, IPv4", "version 1, IPv6", "version 2"],
)
@pytest.mark.parametrize("size", [1, 1000], ids=["a byte at a time", "at once"])
def test_the_id_names_the_client_of_the_proxy_header(proxied, header, client, connected, size):
    backend = proxied.backend()
    proxied.start(backend, listeners=behind_load_balancer(trusted=["127.0.0.0/8"]))
    connection = proxied.connect("plain", tls=False)
    connection.send_slowly(header, size)
    connection.greeting()
    assert connection.login().startswith(b"OK")
    sent = backend.connections[0].id
    assert (sent["x-originating-ip"].decode(), int(sent["x-originating-port"])) == client
    assert (sent["x-connected-ip"].decode(), int(sent["x-connected-port"])) == connected


def test_the_proxy_header_comes_before_tls(proxied):
    backend = proxied.backend()
    proxied.start(backend, listeners=behind_load_balancer(trusted=["127.0.0.0/8"]))
    client = proxied.connect("imaps", tls=False)
    client.send(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 993\r\n")
    client.stream.start_tls(client.context, server_name="localhost")
    assert client.log_in().startswith(b"OK")
    assert backend.connections[0].id["x-originating-ip"] == b"192.0.2.1"


@pytest.mark.parametrize(
    ("trusted", "header"),
    [
        ("10.0.0.0/8", b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 993\r\n"),
        ("127.0.0.0/8", b"PROXY TCP4 192.0.2.1 nonsense\r\n"),
        ("127.0.0.0/8", b"a LOGIN alice wonderland\r\n"),
        ("127.0.0.0/8", b"PROXY TCP4 " + b"1" * 200),
    ],
    ids=["an untrusted sender", "a broken header", "no header", "an endless header"],
)
def test_a_wrong_proxy_header_ends_the_session_before_its_greeting(proxied, trusted, header):
    proxied.start(
        proxied.backend(unreachable=True), listeners=behind_load_balancer(trusted=[trusted])
    )
    client = proxied.connect("plain", tls=False)
    client.send(header)
    assert client.rest_until_gone() == b""
    assert proxied.end()["reason"] == "proxy_header"


def test_a_proxy_header_that_never_comes_ends_the_session(proxied):
    listeners = behind_load_balancer(trusted=["127.0.0.0/8"], timeout="500ms")
    proxied.start(proxied.backend(unreachable=True), listeners=listeners)
    client = proxied.connect("plain", tls=False)
    assert client.rest_until_gone() == b""
    assert proxied.end()["reason"] == "proxy_header"


def test_the_fields_of_the_client_go_along_but_no_spoofed_one(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    client.command(
        'ID ("name" "Mail" "x-originating-ip" "203.0.113.9" "X-Originating-IP" "203.0.113.9" '
        '"x-proxy-ttl" "99" "x-session-id" "spoofed" "x-session-ext-id" "spoofed" '
        '"x-connected-name" "spoofed" "x-client-transport" "TLS!" "x-forward-user" "root" "x-multiplex" "1")'
    )
    assert client.login().startswith(b"OK")
    connection = backend.connections[0]
    assert connection.id["name"] == b"Mail"
    assert connection.id["x-originating-ip"] == b"127.0.0.1"
    assert connection.id["x-proxy-ttl"] == b"6"
    assert connection.id["x-client-transport"] == b"TLS"
    assert b"spoofed" not in connection.received
    assert b"root" not in connection.received
    assert connection.id.get("x-multiplex", b"0") == b"0"


@pytest.mark.parametrize("login", ["quoted", "literal"])
def test_id_and_login_are_one_write(proxied, login):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    password = '"wonderland"' if login == "quoted" else "{10+}\r\nwonderland"
    assert client.command(f"LOGIN alice {password}")[1].startswith(b"OK")
    connection = backend.connections[0]
    assert [command.name for command in connection.commands] in (
        ["ID", "LOGIN"],
        ["ID", "AUTHENTICATE"],
    )
    assert len(connection.bursts) == 1, connection.bursts


def test_a_backend_that_does_not_list_id_is_sent_none(proxied):
    backend = proxied.backend(Script(capabilities=b"IMAP4rev1 LITERAL+ AUTH=PLAIN"))
    proxied.start(backend)
    proxied.logged_in()
    assert backend.connections[0].id is None


def test_forward_client_none_sends_no_id(proxied):
    backend = proxied.backend()
    proxied.start(backend, pool={"forward_client": "none"})
    client = proxied.enter()
    client.command('ID ("name" "Mail")')
    assert client.login().startswith(b"OK")
    assert backend.connections[0].id is None or not any(
        key.startswith("x-") for key in backend.connections[0].id
    )


@pytest.mark.parametrize(
    "answer",
    [[b"{tag} NO not trusted\r\n"], [b"* ID NIL\r\n{tag} OK done\r\n"], [b"{tag} BAD what\r\n"]],
    ids=["NO", "NIL", "BAD"],
)
def test_a_backend_that_refuses_the_id_still_lets_the_user_in(proxied, answer):
    proxied.start(proxied.backend(Script(id=answer)))
    client = proxied.logged_in()
    assert client.command("NOOP")[1] == b"OK done"


def test_headgate_pointed_at_itself_ends_with_a_refusal(proxied, start_headgate):
    """A listener that is its own backend: each hop spends one of the ttl."""
    import socket

    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{}".format(held.getsockname()[1])
    listeners = [{"name": "plain", "address": address, "tls": "none"}]
    proxied.start({"address": address}, listeners=listeners)
    client = proxied.enter("plain")
    refusal = client.login()
    assert refusal.startswith((b"NO [SERVERBUG]", b"NO [UNAVAILABLE]")), refusal
    # Seven hops at most, and all of them end.
    metrics = proxied.gate.wait_for_metrics(lambda m: m.value("headgate_sessions") <= 1)
    assert metrics.value("headgate_connections_total") <= 8


GREETINGS = {
    "with capabilities": [b"* OK [CAPABILITY " + BEFORE_LOGIN + b"] ready\r\n"],
    "without capabilities": [b"* OK ready\r\n"],
    "with another code": [b"* OK [ALERT] ready\r\n"],
    "with no text": [b"* OK\r\n"],
    "in lower case": [b"* ok [capability " + BEFORE_LOGIN.lower() + b"] ready\r\n"],
    "a byte at a time": [Drip(b"* OK [CAPABILITY " + BEFORE_LOGIN + b"] ready\r\n", 0.001)],
    "after a pause": [Pause(0.5), b"* OK ready\r\n"],
    "with 8-bit text": ["* OK grüß Gott\r\n".encode()],
}


@pytest.mark.parametrize("form", GREETINGS)
def test_any_ok_greeting_of_a_backend_is_taken(proxied, form):
    backend = proxied.backend(Script(greeting=GREETINGS[form]))
    proxied.start(backend)
    proxied.logged_in()
    assert (
        backend.connections[0].id is not None
    ), "ID is listed, if not in the greeting then when asked"


BAD_GREETINGS = {
    "PREAUTH": [b"* PREAUTH you are root\r\n"],
    "BYE": [b"* BYE overloaded\r\n", End.CLOSE],
    "NO": [b"* NO not today\r\n"],
    "no IMAP": [b"220 mail.example.org ESMTP\r\n"],
    "garbage": [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n"],
    "an endless line": [b"* OK " + b"x" * 200_000],
    "an end": [End.CLOSE],
    "a reset": [End.RESET],
    "half a line and an end": [b"* O", End.CLOSE],
    "silence": [End.HANG],
}


@pytest.mark.parametrize("form", BAD_GREETINGS)
def test_a_backend_with_a_bad_greeting_sees_no_password_and_the_next_one_is_tried(proxied, form):
    bad = proxied.backend(Script(greeting=[*BAD_GREETINGS[form], End.HANG]), forbidden=[PASSWORD])
    good = proxied.backend()
    proxied.start(
        {"address": bad.address, "weight": 10_000},
        {"address": good.address, "weight": 1},
        pool={"connect_timeout": "1s", "login_timeout": "5s"},
    )
    client = proxied.logged_in("user1")
    assert client.command("NOOP")[1] == b"OK done"
    assert bad.connections, "the bad backend was not the first choice"


@pytest.mark.parametrize("form", BAD_GREETINGS)
def test_a_backend_with_a_bad_greeting_is_unavailable_when_it_is_the_only_one(proxied, form):
    bad = proxied.backend(Script(greeting=[*BAD_GREETINGS[form], End.HANG]), forbidden=[PASSWORD])
    proxied.start(bad, pool={"connect_timeout": "1s", "login_timeout": "2s"})
    client = proxied.enter()
    reply = client.login()
    assert reply.startswith(b"NO [UNAVAILABLE]")
    assert b"not today" not in reply and b"overloaded" not in reply


PASSWORDS = {
    "plain": "wonderland1",
    "spaces": "won der land",
    "quotes and backslashes": 'a"b\\c',
    "brackets": "{10}",
    "braces with plus at the end": "x{3+}",
    "UTF-8": "påßwörd",
    "percent and star": "100%*",
    "TAB": "won\tder",
    "DEL": "won\x7fder",
    "a long one": "long" * 500,
    "empty": "",
}


@pytest.mark.parametrize("form", PASSWORDS)
@pytest.mark.parametrize(
    "capabilities",
    [
        b"IMAP4rev1",
        b"IMAP4rev1 LITERAL+",
        b"IMAP4rev1 LITERAL-",
        b"IMAP4rev1 AUTH=PLAIN",
        b"IMAP4rev1 AUTH=PLAIN SASL-IR",
    ],
    ids=["nothing", "LITERAL+", "LITERAL-", "AUTH=PLAIN", "SASL-IR"],
)
def test_a_password_reaches_every_kind_of_backend_unchanged(proxied, capabilities, form):
    password = PASSWORDS[form].encode()
    backend = proxied.backend(Script(capabilities=capabilities, passwords={b"alice": password}))
    proxied.start(backend)
    client = proxied.enter()
    reply = client.command(b"LOGIN alice {%d+}\r\n%s" % (len(password), password))[1]
    assert reply.startswith(b"OK"), (reply, backend.describe())
    for command in backend.connections[0].commands:
        for argument in command.arguments:
            if isinstance(argument, fake_backend.Literal) and not argument.sync:
                assert (
                    b"LITERAL" in capabilities
                ), "a literal that did not ask, to a backend that wants it to"


def test_the_client_has_the_capabilities_of_the_backend_in_the_tagged_ok(proxied):
    proxied.start()
    client = proxied.enter()
    untagged, tagged = client.command("LOGIN alice wonderland")
    assert capability_code(tagged) == set(AFTER_LOGIN.decode().split())
    assert not any(line.startswith(b"* CAPABILITY") for line in untagged)


def test_a_client_that_asked_before_has_them_in_an_untagged_line(proxied):
    proxied.start()
    client = proxied.enter()
    client.capabilities()
    untagged, tagged = client.command("LOGIN alice wonderland")
    lines = [line for line in untagged if line.startswith(b"* CAPABILITY ")]
    assert len(lines) == 1
    assert set(lines[0].decode().split()[2:]) == set(AFTER_LOGIN.decode().split())
    assert tagged.startswith(b"OK")


def test_capabilities_that_the_backend_sent_untagged_reach_the_client(proxied):
    login = [b"* CAPABILITY IMAP4rev1 X-UNTAGGED\r\n{tag} OK in\r\n"]
    proxied.start(proxied.backend(Script(login=login)))
    client = proxied.enter()
    untagged, tagged = client.command("LOGIN alice wonderland")
    seen = capability_code(tagged) or set(b" ".join(untagged).decode().split())
    assert "X-UNTAGGED" in seen


def test_a_backend_that_tells_no_capabilities_leaves_the_client_to_ask(proxied):
    proxied.start(proxied.backend(Script(login=[b"{tag} OK in\r\n"])))
    client = proxied.enter()
    assert client.login().startswith(b"OK")
    assert client.capabilities() == set(AFTER_LOGIN.decode().split())


def test_commands_pipelined_behind_the_login_reach_the_backend_once_in_order_after_its_ok(proxied):
    slow = [Pause(0.4), b"{tag} OK [CAPABILITY IMAP4rev1] in\r\n"]
    backend = proxied.backend(Script(login=slow))
    proxied.start(backend)
    client = proxied.enter()
    client.send(b"a LOGIN alice wonderland\r\nb NOOP\r\nc SELECT INBOX\r\n")
    client.send_slowly(b"d APPEND x {3+}\r\nabc\r\n")
    client.send(b"e NOOP\r\n")
    for tag in "abcde":
        assert client.reply(tag)[1].startswith(tag.encode() + b" OK")
    session = b"".join(backend.connections[0].session)
    assert session == b"b NOOP\r\nc SELECT INBOX\r\nd APPEND x {3+}\r\nabc\r\ne NOOP\r\n"


def test_what_the_backend_sends_right_behind_its_ok_reaches_the_client(proxied):
    login = [
        b"* OK before\r\n{tag} OK [CAPABILITY IMAP4rev1] in\r\n* 5 EXISTS\r\n* OK [ALERT] quota\r\n"
    ]
    proxied.start(proxied.backend(Script(login=login)))
    client = proxied.enter()
    client.send(b"a LOGIN alice wonderland\r\n")
    client.reply("a")
    client.expect(rb"\* 5 EXISTS")
    client.expect(rb"\* OK \[ALERT\] quota")


@pytest.mark.parametrize("count", [1, 500, 20_000])
def test_any_number_of_untagged_lines_may_come_before_the_tagged_reply(proxied, count):
    flood = b"".join(b"* OK [X-FLOOD] line %d of many\r\n" % n for n in range(count))
    proxied.start(proxied.backend(Script(login=[flood, b"{tag} OK [CAPABILITY IMAP4rev1] in\r\n"])))
    client = proxied.enter()
    assert client.login().startswith(b"OK")
    assert client.command("NOOP")[1] == b"OK done"


def test_an_untagged_line_without_end_does_not_grow_memory_for_ever(proxied):
    backend = proxied.backend(Script(login=[b"* " + b"x" * 50_000_000 + b"\r\n{tag} OK in\r\n"]))
    proxied.start(backend, pool={"login_timeout": "5s"})
    client = proxied.enter()
    reply = client.login()
    assert reply.startswith((b"NO [UNAVAILABLE]", b"OK")), reply
    status = open(f"/proc/{proxied.gate.process.pid}/status", encoding="ascii").read()
    peak = int(status.split("VmHWM:")[1].split()[0])
    assert peak < 200 * 1024, f"{peak} KiB"


@pytest.mark.parametrize("slice_size", [1, 3, 7])
def test_the_replies_of_a_backend_may_come_cut_anywhere(proxied, slice_size):
    reply = b"* OK [X] y\r\n* CAPABILITY IMAP4rev1\r\n{tag} OK [CAPABILITY IMAP4rev1 X-CUT] in\r\n"
    acts = [Drip(reply, 0.0)] if slice_size == 1 else []
    acts = acts or [part for part in _cut(reply, slice_size)]
    script = Script(login=acts, id=[Drip(b'* ID ("name" {4}\r\nFake)\r\n{tag} OK done\r\n')])
    proxied.start(proxied.backend(script))
    client = proxied.enter()
    assert "X-CUT" in capability_code(client.login())


def _cut(reply, size):
    """Pieces of `size` bytes with pauses, {tag} kept whole."""
    head, tail = reply.split(b"{tag}")
    pieces = [head[i : i + size] for i in range(0, len(head), size)] + [b"{tag}" + tail[:1]]
    pieces[-1] = b"{tag} OK"
    rest = tail[len(b" OK") :]
    pieces += [rest[i : i + size] for i in range(0, len(rest), size)]
    for piece in pieces:
        yield piece
        yield Pause(0.002)


def test_the_backend_session_of_a_client_that_logs_out_is_over(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.logged_in()
    untagged, tagged = client.command("LOGOUT")
    assert any(line.startswith(b"* BYE") for line in untagged) and tagged.startswith(b"OK")
    assert client.rest() == b""
    client.close()
    backend.wait_for(lambda b: b.connections[0].ended)
    assert proxied.end()["reason"] in ("backend_closed", "client_closed")
