"""The client's side of the login, from outside: RFC 3501, 9051, 2971, 4959, 5161, 7888."""

import base64

import pytest

from fake_backend import PASSWORD, Script
from proxied import DOORS
from raw_client import Closed, capability_code, plain_response

OK_LOGIN = rb"OK .*"
NOT_LET_IN = {"unreachable": True}


def probe(client, capability):
    """Uses what `capability` claims, with nobody to log in as; the tagged reply."""
    wrong = plain_response("nobody", "wrong")
    if capability in ("IMAP4REV1", "IMAP4REV2"):
        return client.command("NOOP")[1]
    if capability == "ID":
        return client.command('ID ("name" "probe")')[1]
    if capability == "ENABLE":
        return client.command("ENABLE CONDSTORE")[1]
    if capability in ("SASL-IR", "AUTH=PLAIN"):
        return client.command(b"AUTHENTICATE PLAIN " + wrong)[1]
    if capability == "AUTH=LOGIN":
        client.send(b"p AUTHENTICATE LOGIN\r\n")
        client.expect(rb"\+ .*")
        client.send(b"bm9ib2R5\r\n")
        client.expect(rb"\+ .*")
        client.send(b"d3Jvbmc=\r\n")
        return client.reply(b"p")[1][2:]
    if capability in ("LITERAL+", "LITERAL-"):
        client.send(b"p LOGIN {6+}\r\nnobody {5+}\r\nwrong\r\n")
        return client.reply(b"p")[1][2:]
    if capability == "STARTTLS":
        client.starttls()
        return b"OK"
    if capability == "LOGINDISABLED":
        refusal = client.login("nobody", "wrong")
        assert refusal.startswith(b"NO [PRIVACYREQUIRED]"), refusal
        return refusal
    return client.command(capability)[1]


@pytest.mark.parametrize("door", DOORS)
def test_the_greeting_carries_the_capabilities_that_the_command_lists(proxied, door):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.connect(door)
    greeted = capability_code(client.greeting())
    assert greeted == client.capabilities()
    assert "IMAP4rev1" in greeted


@pytest.mark.parametrize("door", DOORS)
def test_every_capability_that_is_advertised_can_be_used(proxied, door):
    proxied.start(login={"max_failures": 1000, "max_bad_commands": 1000, "failure_delay": "1ms"})
    client = proxied.enter(door)
    for capability in client.capabilities():
        reply = probe(client, capability.upper())
        assert not reply.startswith(b"BAD"), f"{capability} is advertised and answers {reply!r}"


def test_before_starttls_the_list_says_that_logins_are_off(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.connect("imap")
    greeted = capability_code(client.greeting())
    assert {"STARTTLS", "LOGINDISABLED"} <= greeted
    assert not any(word.startswith("AUTH=") for word in greeted)
    assert greeted == client.capabilities()


def test_after_starttls_the_list_is_a_fresh_one(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter("imap")
    words = client.capabilities()
    assert not {"STARTTLS", "LOGINDISABLED"} & words
    assert {"AUTH=PLAIN", "AUTH=LOGIN"} <= words


@pytest.mark.parametrize("door", ["imaps", "plain"])
def test_a_listener_without_starttls_does_not_offer_it(proxied, door):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter(door)
    assert not {"STARTTLS", "LOGINDISABLED"} & client.capabilities()
    assert client.command("STARTTLS")[1].startswith(b"BAD")


def test_a_second_starttls_is_refused(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter("imap")
    assert client.command("STARTTLS")[1].startswith(b"BAD")
    assert client.command("NOOP")[1].startswith(b"OK")


@pytest.mark.parametrize(
    "login",
    [
        b"LOGIN alice wonderland",
        b"AUTHENTICATE PLAIN",
        b"AUTHENTICATE PLAIN " + plain_response("alice", "wonderland"),
        b"AUTHENTICATE LOGIN",
    ],
    ids=["LOGIN", "PLAIN", "PLAIN with initial response", "LOGIN mechanism"],
)
def test_a_login_in_the_clear_is_refused_as_privacy_required(proxied, login):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.connect("imap")
    client.greeting()
    untagged, tagged = client.command(login)
    assert not any(line.startswith(b"+") for line in untagged), "asked for credentials in the clear"
    assert tagged.startswith(b"NO [PRIVACYREQUIRED]")


def test_a_literal_password_in_the_clear_is_never_asked_for(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.connect("imap")
    client.greeting()
    client.send(b"a LOGIN alice {10}\r\n")
    client.expect(rb"a NO \[PRIVACYREQUIRED\] .*")
    assert client.command("NOOP")[1].startswith(b"OK")


def test_bytes_pipelined_behind_starttls_in_the_clear_are_thrown_away(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.connect("imap")
    client.greeting()
    client.send(b'a STARTTLS\r\nb LOGIN "mallory" "wonderland"\r\nc NOOP\r\n')
    client.expect(rb"a OK .*")
    assert not client.buffer
    client.stream.start_tls(client.context, server_name="localhost")
    client.send(b"d NOOP\r\n")
    assert client.line().startswith(b"d OK"), "a command sent in the clear was answered under TLS"
    assert client.silent_for(0.3)


def test_what_was_said_before_starttls_is_forgotten(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.connect("imap")
    client.greeting()
    client.command('ID ("name" "said in the clear")')
    client.starttls()
    assert client.login().startswith(b"OK")
    assert backend.connections[0].id.get("name") != b"said in the clear"


def test_the_configuration_adds_and_takes_away_capabilities(proxied):
    change = {"capabilities": {"add": ["X-OURS"], "remove": ["AUTH=LOGIN"]}}
    proxied.start(proxied.backend(**NOT_LET_IN), login=change)
    client = proxied.connect()
    words = capability_code(client.greeting())
    assert "X-OURS" in words and "AUTH=LOGIN" not in words
    assert client.capabilities() == words


def test_the_greeting_text_is_the_configured_one(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN), login={"greeting": "Mail of example.org"})
    assert proxied.connect().greeting().endswith(b"] Mail of example.org")


LOGINS = {
    "atoms": (b"LOGIN alice wonderland", "alice", "wonderland"),
    "lower case command": (b"login alice wonderland", "alice", "wonderland"),
    "quoted strings": (b'LOGIN "alice" "wonderland"', "alice", "wonderland"),
    "escapes": (rb'LOGIN "al\"ice" "wonder\\land"', 'al"ice', "wonder\\land"),
    "a quoted password with spaces and brackets": (
        b'LOGIN alice " a (b) {3} "',
        "alice",
        " a (b) {3} ",
    ),
    "non-synchronizing literals": (
        b"LOGIN {5+}\r\nalice {10+}\r\nwonderland",
        "alice",
        "wonderland",
    ),
    "a literal password with quotes": (b'LOGIN alice {6+}\r\na"b\\c%', "alice", 'a"b\\c%'),
    "UTF-8 quoted": ('LOGIN "bjørn" "påßwörd€"'.encode(), "bjørn", "påßwörd€"),
    "UTF-8 literal": ("LOGIN {6+}\r\nbjørn {12+}\r\npåßwör€".encode(), "bjørn", "påßwör€"),
    "PLAIN": (
        b"AUTHENTICATE PLAIN " + plain_response("alice", "wonderland"),
        "alice",
        "wonderland",
    ),
    "PLAIN in lower case": (
        b"authenticate plain " + plain_response("alice", "wonderland"),
        "alice",
        "wonderland",
    ),
    "PLAIN with UTF-8": (b"AUTHENTICATE PLAIN " + plain_response("bjørn", "påß"), "bjørn", "påß"),
    "PLAIN with the user as authorization identity": (
        b"AUTHENTICATE PLAIN " + plain_response("alice", "wonderland", "alice"),
        "alice",
        "wonderland",
    ),
    "a password of 1,000 bytes": (b"LOGIN alice " + b"x" * 1000, "alice", "x" * 1000),
}


@pytest.mark.parametrize("form", LOGINS)
def test_a_login_reaches_the_backend_as_it_was_meant(proxied, form):
    command, user, password = LOGINS[form]
    backend = proxied.backend(Script(passwords={user.encode(): password.encode()}))
    proxied.secrets.append(password)
    proxied.start(backend)
    client = proxied.enter()
    assert client.command(command)[1].startswith(b"OK"), backend.describe()
    assert backend.logins() == [(user.encode(), password.encode())]
    assert client.command("NOOP")[1] == b"OK done"


@pytest.mark.parametrize("door", DOORS)
def test_a_synchronizing_literal_is_asked_for_before_it_is_read(proxied, door):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter(door)
    client.send(b"a LOGIN {5}\r\n")
    client.expect(rb"\+ .*")
    client.send(b"alice {10}\r\n")
    client.expect(rb"\+ .*")
    client.send(b"wonderland\r\n")
    assert client.reply("a")[1].startswith(b"a OK")
    assert backend.logins() == [(b"alice", PASSWORD)]


def test_authenticate_plain_without_an_initial_response_asks_with_an_empty_challenge(proxied):
    proxied.start()
    client = proxied.enter()
    client.send(b"a AUTHENTICATE PLAIN\r\n")
    client.expect(rb"\+ ")
    client.send(plain_response("alice", "wonderland") + b"\r\n")
    assert client.reply("a")[1].startswith(b"a OK")


@pytest.mark.parametrize("initial", [True, False], ids=["with initial response", "without"])
def test_authenticate_login_asks_for_name_and_password(proxied, initial):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    if initial:
        client.send(b"a AUTHENTICATE LOGIN YWxpY2U=\r\n")
    else:
        client.send(b"a AUTHENTICATE LOGIN\r\n")
        client.expect(rb"\+ VXNlciBOYW1lAA==|\+ VXNlcm5hbWU6")
        client.send(b"YWxpY2U=\r\n")
    client.expect(rb"\+ UGFzc3dvcmQ6|\+ UGFzc3dvcmQA")
    client.send(base64.b64encode(PASSWORD) + b"\r\n")
    assert client.reply("a")[1].startswith(b"a OK")
    assert backend.logins() == [(b"alice", PASSWORD)]


@pytest.mark.parametrize("mechanism", [b"PLAIN", b"LOGIN"])
def test_an_exchange_is_cancelled_by_a_star(proxied, mechanism):
    proxied.start()
    client = proxied.enter()
    client.send(b"a AUTHENTICATE " + mechanism + b"\r\n")
    client.expect(rb"\+ .*")
    client.send(b"*\r\n")
    client.expect(rb"a BAD .*")
    assert client.login().startswith(b"OK")


def test_an_authorization_identity_that_is_not_the_user_is_refused(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter()
    response = plain_response("alice", "wonderland", "bob")
    assert client.command(b"AUTHENTICATE PLAIN " + response)[1].startswith(
        b"NO [AUTHORIZATIONFAILED]"
    )


def test_an_unknown_mechanism_is_refused(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter()
    assert client.command("AUTHENTICATE X-UNHEARD-OF")[1].startswith((b"NO", b"BAD"))
    assert client.command("NOOP")[1].startswith(b"OK")


IDS = {
    "quoted": (
        b'ID ("name" "Thunderbird" "version" "128")',
        {"name": b"Thunderbird", "version": b"128"},
    ),
    "literals as Outlook sends them": (
        b"ID ({4+}\r\nname {7+}\r\nOutlook {7+}\r\nversion {4+}\r\n16.0)",
        {"name": b"Outlook", "version": b"16.0"},
    ),
    "NIL": (b"ID NIL", {}),
    "a field that is NIL": (b'ID ("name" "x" "os" NIL)', {"name": b"x"}),
    "an empty list": (b"ID ()", {}),
    "escapes": (rb'ID ("name" "a \"b\" \\c")', {"name": rb'a "b" \c'}),
}


@pytest.mark.parametrize("form", IDS)
def test_id_before_login_is_answered_and_goes_along_to_the_backend(proxied, form):
    command, fields = IDS[form]
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    untagged, tagged = client.command(command)
    assert tagged.startswith(b"OK")
    assert len(untagged) == 1 and untagged[0].startswith(b"* ID ")
    assert client.login().startswith(b"OK")
    sent = backend.connections[0].id
    assert {key: sent.get(key) for key in fields} == fields


def test_an_id_with_more_fields_than_the_rfc_allows_does_no_harm(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    fields = b" ".join(b'"key%d" "value"' % n for n in range(31))
    assert client.command(b"ID (" + fields + b")")[1].startswith((b"OK", b"BAD"))
    assert client.login().startswith(b"OK")
    assert sum(key.startswith("key") for key in backend.connections[0].id) <= 30


@pytest.mark.parametrize(
    "value", [b"a\r\nx LOGOUT", b"a\0b", b"a\nb", b"\xff\xfe", "Bjørns Mail".encode()]
)
def test_an_id_field_that_could_end_a_line_does_not_end_one_at_the_backend(proxied, value):
    backend = proxied.backend(forbidden=[b"\r\nx LOGOUT", b"\0"])
    proxied.start(backend)
    client = proxied.enter()
    reply = client.command(b'ID ("name" {%d+}\r\n%s)' % (len(value), value))[1]
    assert reply.startswith((b"OK", b"BAD"))
    assert client.login().startswith(b"OK")
    assert [command.name for command in backend.connections[0].commands][:1] == ["ID"]


def test_an_id_of_100_000_parentheses_is_refused(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter()
    client.send(b"a ID " + b"(" * 100_000)
    client.expect(rb"(a|\*) (BAD|BYE) .*")


def test_enable_before_login_is_answered_and_enables_nothing_behind(proxied):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter()
    assert client.command("ENABLE CONDSTORE UTF8=ACCEPT")[1].startswith(b"OK")
    assert client.login().startswith(b"OK")
    assert not any(command.name == "ENABLE" for command in backend.connections[0].commands)


def test_a_command_for_later_is_refused_before_login_and_goes_nowhere(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN), login={"max_bad_commands": 100})
    client = proxied.enter()
    for command in (
        "SELECT INBOX",
        "FETCH 1 ALL",
        'LIST "" *',
        "IDLE",
        "APPEND INBOX {3+}\r\nabc",
        "UID FETCH 1 ALL",
    ):
        assert client.command(command)[1].startswith(b"BAD"), command


@pytest.mark.parametrize("door", DOORS)
def test_logout_before_login_says_bye_and_ends_in_order(proxied, door):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter(door)
    untagged, tagged = client.command("LOGOUT")
    assert any(line.startswith(b"* BYE") for line in untagged)
    assert tagged.startswith(b"OK")
    assert client.rest() == b""
    assert proxied.end()["reason"] == "client_logout"


@pytest.mark.parametrize("door", DOORS)
def test_everything_in_one_write_is_answered_in_order(proxied, door):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.enter(door)
    client.send(
        b'a CAPABILITY\r\nb NOOP\r\nc ID ("name" "x")\r\nd ENABLE CONDSTORE\r\n'
        b'e LOGIN "alice" {10+}\r\nwonderland\r\nf NOOP\r\ng SELECT INBOX\r\nh LOGOUT\r\n'
    )
    for tag in "abcdefgh":
        assert client.reply(tag)[1].startswith(tag.encode() + b" OK"), tag
    assert client.rest() == b""
    assert backend.connections[0].session == [b"f NOOP\r\n", b"g SELECT INBOX\r\n", b"h LOGOUT\r\n"]


@pytest.mark.parametrize("door", DOORS)
def test_a_client_that_sends_a_byte_at_a_time_is_served(proxied, door):
    backend = proxied.backend()
    proxied.start(backend)
    client = proxied.connect(door)
    client.greeting()
    if door == "imap":
        client.send_slowly(b"s STARTTLS\r\n")
        client.expect(rb"s OK .*")
        client.stream.start_tls(client.context, server_name="localhost")
    client.send_slowly(
        b'a ID ("name" {1+}\r\nx)\r\nb LOGIN "ali\\"ce" {10+}\r\nwonderland\r\nc NOOP\r\n'
    )
    for tag in "abc":
        assert client.reply(tag)[1].startswith(tag.encode() + b" OK"), tag
    assert backend.logins() == [(b'ali"ce', PASSWORD)]


def test_the_tag_of_the_client_comes_back_unchanged(proxied):
    proxied.start()
    client = proxied.enter()
    for tag in (b"a", b"A0001", b"1.2.3", b"~!@#$&-=|;:'<>,?/", b"]tag["):
        client.send(tag + b" NOOP\r\n")
        assert client.line().startswith(tag + b" OK")


def test_a_client_that_goes_away_during_its_login_leaves_nothing_open(proxied):
    backend = proxied.backend(Script(login=["hang"]))
    proxied.start(backend)
    client = proxied.enter()
    client.send(b"a LOGIN alice wonderland\r\n")
    backend.wait_for(lambda b: b.logins())
    client.reset()
    backend.wait_for(lambda b: b.connections[0].ended)
    assert proxied.end()["reason"] in ("client_reset", "client_closed")


def test_a_client_gets_an_ordered_end_when_headgate_stops_before_login(proxied):
    proxied.start(proxied.backend(**NOT_LET_IN))
    client = proxied.enter()
    proxied.gate.stop()
    try:
        assert client.line().startswith(b"* BYE")
        assert client.rest() == b""
    except Closed as closed:
        raise AssertionError(f"no BYE before the end: {closed.rest!r}") from closed
