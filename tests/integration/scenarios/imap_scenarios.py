"""Scenarios over imaplib. Each takes a function that connects one more device of the same fresh
user, checks what can be known beforehand, and leaves transcripts that direct and proxied runs must
share."""

from __future__ import annotations

import random
from collections.abc import Callable

import sample_mail
from scenarios.device import Device

Connect = Callable[..., Device]
Scenario = Callable[[Connect], None]

DATE = '"05-Feb-2026 12:00:00 +0000"'
SECONDS = sample_mail.START_OF_TIME


def message(number: int, size: int = 400, subject: str = "") -> bytes:
    """Message number `number`, with about `size` bytes of text."""
    dice = random.Random(number)
    words = " ".join(
        dice.choices(("sluice", "weir", "gate", "canal", "Wehr", "water"), k=size // 6)
    )
    lines = "\n".join(words[i : i + 72] for i in range(0, len(words), 72))
    return sample_mail.alternative_message(
        f"sender{number}@example.org",
        "reader@example.org",
        subject or f"Message {number}",
        lines,
        f"{number:024x}",
        SECONDS + number,
    )


def append(device: Device, count: int, folder: str = "INBOX", flags: str = "") -> list[bytes]:
    """Appends messages 1 to `count`, and returns them."""
    messages = [message(number) for number in range(1, count + 1)]
    for content in messages:
        status, data = device.append(folder, flags, DATE, content)
        assert status == "OK", data
    return messages


def bodies(device: Device, numbers: str = "1:*", what: str = "BODY.PEEK[]") -> list[bytes]:
    """What FETCH of one body section returns, message by message."""
    status, data = device.fetch(numbers, what)
    assert status == "OK", data
    return [part[1] for part in data if isinstance(part, tuple)]


def capabilities(connect: Connect) -> None:
    device = connect()
    assert b"IDLE" in device.capabilities_at_login()
    device.command(b"CAPABILITY")
    device.command(b"NAMESPACE")
    device.command(b"NOOP")


def append_and_fetch(connect: Connect) -> None:
    device = connect()
    messages = append(device, 5, flags=r"\Seen")
    assert device.select()[1] == [b"5"]
    assert bodies(device) == messages
    device.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE)")
    device.fetch("1:*", "(ENVELOPE BODYSTRUCTURE)")
    device.fetch("2", "(BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)] BODY.PEEK[1] BODY.PEEK[2.MIME])")
    device.uid("FETCH", "1:3", "(FLAGS)")


def folder_hierarchy(connect: Connect) -> None:
    device = connect()
    for name in (
        "Works",
        "Works/2025",
        "Works/2026/Gates",
        "Empty",
        "With space",
        '"With \\"quotes"',
    ):
        device.create(name if name.startswith('"') else f'"{name}"')
    device.list()
    device.list('""', "%")
    device.list('"Works/"', "*")
    device.command(b'LIST "" ""')
    device.rename("Works/2025", "Works/Before")
    device.delete("Empty")
    device.command(b"DELETE Empty")
    names = b"".join(line for line in device.list()[1] if line)
    assert b"Works/Before" in names and b"Empty" not in names and b"Works/2026/Gates" in names


def select_and_examine(connect: Connect) -> None:
    device = connect()
    append(device, 2)
    device.create("Other")
    device.select()
    device.select("Other")
    device.select(readonly=True)
    device.command(b"STORE 1 +FLAGS (\\Deleted)")
    assert b"\\Deleted" not in device.fetch("1", "(FLAGS)")[1][0]
    device.select("Missing")
    device.command(b"SELECT INBOX (CONDSTORE)")
    device.command(b"CLOSE")
    device.command(b"UNSELECT")


def partial_fetch(connect: Connect) -> None:
    device = connect()
    (content,) = append(device, 1)
    device.select()
    assert bodies(device, "1", "BODY.PEEK[]<0.1000>") == [content[:1000]]
    assert bodies(device, "1", "BODY.PEEK[]<100.50>") == [content[100:150]]
    assert bodies(device, "1", f"BODY.PEEK[]<{len(content) - 10}.1000>") == [content[-10:]]
    device.fetch("1", f"BODY.PEEK[]<{len(content)}.10>")
    device.fetch("1", "BODY.PEEK[1]<3.20>")
    device.fetch("1", "(FLAGS)")


def search(connect: Connect) -> None:
    device = connect()
    append(device, 6)
    device.append("INBOX", r"\Flagged", DATE, message(7, subject="Grüße vom Kanal"))
    device.select()
    assert device.search(None, "ALL")[1] == [b"1 2 3 4 5 6 7"]
    assert device.search(None, "SUBJECT", '"Message 3"')[1] == [b"3"]
    assert device.search(None, "FLAGGED")[1] == [b"7"]
    device.search(None, "OR", "FROM", "sender2", "FROM", "sender5")
    device.search(None, "NOT", "TEXT", "nothingofthesort")
    device.uid("SEARCH", None, "2:4", "UNSEEN")
    device.literal = "Grüße".encode()
    assert device.search("UTF-8", "SUBJECT")[1] == [b"7"]
    device.command(b"SEARCH RETURN (MIN MAX COUNT) ALL")
    device.command(b"SORT (REVERSE SUBJECT) UTF-8 ALL")
    device.command(b"THREAD REFERENCES UTF-8 ALL")


def flags_seen_by_a_second_device(connect: Connect) -> None:
    phone, laptop = connect(), connect()
    append(phone, 3)
    phone.select()
    laptop.select()
    phone.store("1", "+FLAGS", r"(\Seen \Flagged)")
    phone.store("2", "FLAGS", r"($Forwarded)")
    laptop.noop()
    flags = b" ".join(laptop.fetch("1:3", "(FLAGS)")[1])
    assert b"\\Flagged" in flags and b"$Forwarded" in flags
    laptop.store("1", "-FLAGS", r"(\Flagged)")
    phone.noop()
    assert b"\\Flagged" not in phone.fetch("1", "(FLAGS)")[1][0]


def copy(connect: Connect) -> None:
    device = connect()
    messages = append(device, 4)
    device.create("Copies")
    device.select()
    device.copy("2:3", "Copies")
    device.uid("COPY", "4", "Copies")
    device.copy("1", "Missing")
    device.select("Copies")
    assert bodies(device) == messages[1:]


def move(connect: Connect) -> None:
    device = connect()
    messages = append(device, 4)
    device.create("Moved")
    device.select()
    device.command(b"MOVE 1:2 Moved")
    device.command(b"UID MOVE 4 Moved")
    assert bodies(device) == [messages[2]]
    device.select("Moved")
    assert bodies(device) == [messages[0], messages[1], messages[3]]


def expunge_seen_by_a_second_device(connect: Connect) -> None:
    phone, laptop = connect(), connect()
    messages = append(phone, 5)
    phone.select()
    laptop.select()
    phone.store("2,4", "+FLAGS", r"(\Deleted)")
    phone.uid("FETCH", "1:*", "(FLAGS)")
    phone.command(b"UID EXPUNGE 4")
    phone.expunge()
    laptop.noop()
    assert bodies(laptop) == [messages[0], messages[2], messages[4]]


def idle_push_to_a_second_device(connect: Connect) -> None:
    phone, laptop = connect(), connect()
    append(laptop, 1)
    phone.select()
    laptop.select()
    phone.idle(b"* 2 EXISTS", lambda: laptop.append("INBOX", "", DATE, message(2)))
    laptop.noop()
    phone.idle(b"* 2 FETCH", lambda: laptop.store("2", "+FLAGS", r"(\Flagged)"))
    phone.idle(
        b"* 1 EXPUNGE", lambda: (laptop.store("1", "+FLAGS", r"(\Deleted)"), laptop.expunge())
    )
    assert bodies(phone) == [message(2)]


def compress(connect: Connect) -> None:
    device = connect()
    assert b"COMPRESS=DEFLATE" in device.capabilities_at_login()
    device.compress()
    messages = append(device, 5)
    device.select()
    assert bodies(device) == messages
    big = message(9, 700_000)
    device.append("INBOX", "", DATE, big)
    device.noop()
    assert bodies(device, "6") == [big]
    device.command(b"COMPRESS DEFLATE")


def subscribe(connect: Connect) -> None:
    device = connect()
    for name in ("News", "News/Water", "Quiet"):
        device.create(name)
    device.subscribe("News")
    device.subscribe("News/Water")
    device.subscribe("Quiet")
    device.unsubscribe("Quiet")
    names = b"".join(line for line in device.lsub()[1] if line)
    assert b"News/Water" in names and b"Quiet" not in names
    device.command(b'LIST (SUBSCRIBED) "" "*" RETURN (CHILDREN)')


def status(connect: Connect) -> None:
    device = connect()
    append(device, 3, flags=r"\Seen")
    device.append("INBOX", "", DATE, message(4))
    items = "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"
    assert b"MESSAGES 4" in device.status("INBOX", items)[1][0]
    device.create("Other")
    device.status("Other", items)
    device.status("Missing", items)
    device.command(b'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN))')


def folder_in_utf8(connect: Connect) -> None:
    device = connect()
    for name in ("Entwürfe", "日本語/水門", "R&D", "🎏"):
        coded = sample_mail.modified_utf7(name)
        assert device.create(f'"{coded}"')[0] == "OK"
        device.append(f'"{coded}"', "", DATE, message(1))
        assert device.select(f'"{coded}"')[1] == [b"1"]
    device.list()


def large_message(connect: Connect) -> None:
    device = connect()
    content = sample_mail.message_with_attachment(
        "works@example.org",
        "reader@example.org",
        "Plans",
        "See the file.\n",
        f"{1:024x}",
        SECONDS,
        random.Random(5).randbytes(4_500_000),
    )
    device.append("INBOX", "", DATE, content)
    device.select()
    assert bodies(device) == [content]
    assert bodies(device, "1", "BODY.PEEK[2]<1000000.500000>")[0] == _part(content)[1000000:1500000]


def _part(content: bytes) -> bytes:
    """The second part of a message with an attachment, coded as it is."""
    start = content.index(b"\r\n\r\n", content.index(b"application/pdf")) + 4
    return content[start : content.rindex(b"\r\n--")]


def pipelined_commands(connect: Connect) -> None:
    device = connect()
    text = message(1)
    device.send(b"".join(b"p%d NOOP\r\n" % n for n in range(500)))
    device.send(
        b"q1 APPEND INBOX {%d+}\r\n%s\r\nq2 SELECT INBOX\r\nq3 FETCH 1 BODY.PEEK[]\r\n"
        % (len(text), text)
    )
    replies = device.read_until(lambda reply: reply.startswith(b"q3 "))
    assert [r.split()[0] for r in replies if r[:1] == b"p"] == [b"p%d" % n for n in range(500)]
    assert text in b"".join(replies)


def pipelined_behind_the_login(connect: Connect) -> None:
    first = connect()
    text = append(first, 1)[0]
    device = connect(login=False)
    user, password = device.user.encode(), device.password.encode()
    device.send(
        b"z1 LOGIN {%d+}\r\n%s {%d+}\r\n%s\r\n" % (len(user), user, len(password), password)
        + b"z2 CREATE Behind\r\nz3 SELECT INBOX\r\nz4 FETCH 1 (FLAGS BODY.PEEK[])\r\n"
        + b"z5 APPEND Behind {%d+}\r\n%s\r\n" % (len(text), text)
    )
    replies = device.read_until(lambda reply: reply.startswith(b"z5 "))
    tagged = [r.split()[:2] for r in replies if r[:1] == b"z"]
    assert tagged == [[b"z%d" % n, b"OK"] for n in range(1, 6)]
    assert text in b"".join(replies)
    assert b"(MESSAGES 1)" in b"".join(device.command(b"STATUS Behind (MESSAGES)"))
    # Replies from the CREATE on; what a login says is a scenario of its own.
    del device.received[: next(i for i, r in enumerate(device.received) if r.startswith(b"z2 "))]


def errors(connect: Connect) -> None:
    device = connect()
    for line in (
        b"NONSENSE",
        b"FETCH 1 FLAGS",
        b"SELECT",
        b"EXAMINE Missing",
        b'CREATE ""',
        b"LIST",
    ):
        assert device.command(line)[-1].split()[1] in (b"NO", b"BAD")
    device.command(b"SELECT INBOX")
    device.command(b"FETCH 1:5 (FLAGS)")


def condstore(connect: Connect) -> None:
    device = connect()
    append(device, 3)
    device.command(b"ENABLE CONDSTORE QRESYNC")
    device.command(b"SELECT INBOX (CONDSTORE)")
    device.command(b"STORE 1 +FLAGS (\\Seen)")
    device.command(b"FETCH 1:* (UID FLAGS) (CHANGEDSINCE 1)")
    device.command(b"STORE 2 (UNCHANGEDSINCE 1) +FLAGS (\\Flagged)")


def logout(connect: Connect) -> None:
    device = connect()
    device.select()
    replies = device.command(b"LOGOUT")
    assert replies[0].startswith(b"* BYE") and device.readline() == b""


ALL: tuple[Scenario, ...] = (
    append_and_fetch,
    capabilities,
    compress,
    condstore,
    copy,
    errors,
    expunge_seen_by_a_second_device,
    flags_seen_by_a_second_device,
    folder_hierarchy,
    folder_in_utf8,
    idle_push_to_a_second_device,
    large_message,
    logout,
    move,
    partial_fetch,
    pipelined_behind_the_login,
    pipelined_commands,
    search,
    select_and_examine,
    status,
    subscribe,
)
# Enough to know that a way of connecting to the backend carries everything.
ESSENTIAL: tuple[Scenario, ...] = (
    append_and_fetch,
    compress,
    idle_push_to_a_second_device,
    large_message,
    pipelined_behind_the_login,
)
