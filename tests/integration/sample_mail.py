"""Realistic mail, the same on every run: people, folders, conversations in several alphabets,
newsletters, attachments up to megabytes, flags. Written into Maildirs directly, which takes a
fraction of a second for a hundred users; what went to everybody is one file with many links."""

from __future__ import annotations

import base64
import email.header
import email.utils
import os
import random
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOMAIN = "example.org"
NAMES = """
ada agnes albert alice amina anders anna anton astrid aya ben bertil bilal bob boris carla carol
cecilia chen chloe clara daniel david dora edith einar elena elif emil emma erik esra eva fatima
felix filip flora frank freya georg gita grace greta hana hans hassan hedda helen hugo ida igor ines
ingrid ivan jan jonas julia jun kai karin kenji klara kofi lars lea leila lena leo lina linus lucia
luis maja malik marco maria marta max mei mia milan mina nadia nils nina nora olga omar oskar otto
paul paula peter priya rafael rosa rosalind samir sofia sven
""".split()

SUBJECTS = (
    "Water level at the upper gate",
    "Minutes of Tuesday's meeting",
    "Re: Drawings for the new sluice",
    "Grüße aus Zürich: Übergabe der Schlüssel",
    "Перенос встречи на четверг",
    "水門の点検について",
    "Invoice 2026-1183",
    "Fwd: Fotos vom Kanalfest 🎏",
    "Πρόσκληση σε συνάντηση",
    "Lunch?",
    "Re: Re: Maintenance window next week, please confirm before Friday noon as we agreed",
    "Your parcel has been delivered",
)
SENTENCES = (
    "The gauge at the upper gate stood at 214 cm this morning, four more than yesterday.",
    "Könnten Sie bitte bis Freitag Bescheid geben, ob die Pläne so bleiben?",
    "I have put the drawings into the folder; the second sheet is the one that counts.",
    "Если завтра будет дождь, перенесём осмотр на четверг.",
    "水位は昨日より四センチ高くなっています。",
    "Please do not reply to this message; the mailbox is not read.",
    "From the bridge one sees both channels, and the water takes the one that is open.",
    "Who brings the cake?",
)
# Name (as users see it), special use is by name, messages per user.
FOLDERS = (
    ("INBOX", 14),
    ("Archive", 4),
    ("Archive/2025", 5),
    ("Archive/2025/Q4", 2),
    ("Drafts", 1),
    ("Projects/Canal/Drawings", 3),
    ("Sent", 5),
    ("Trash", 2),
    ("Entwürfe älterer Pläne", 2),
    ("日本語", 2),
)
# Sent to everybody, into these folders: kilobytes of attachment.
SHARED_ATTACHMENTS = (
    ("INBOX", 90),
    ("INBOX", 700),
    ("Archive/2025", 1500),
    ("Projects/Canal/Drawings", 4000),
)
START_OF_TIME = 1_767_225_600  # 2026-01-01


@dataclass(frozen=True)
class Message:
    """Text as it goes over the wire (CRLF), and what Maildir's file name says about it."""

    content: bytes
    date: int
    flags: str = ""


def users(count: int = 100) -> list[str]:
    """The first `count` user names."""
    assert count <= len(NAMES)
    return [f"{name}@{DOMAIN}" for name in NAMES[:count]]


def modified_utf7(name: str) -> str:
    """RFC 3501, 5.1.3."""
    result: list[str] = []
    pending = ""
    for character in name + "\0":
        if " " <= character <= "~" or character == "\0":
            if pending:
                coded = base64.b64encode(pending.encode("utf-16-be")).decode().rstrip("=")
                result.append("&" + coded.replace("/", ",") + "-")
                pending = ""
            result.append("&-" if character == "&" else character.replace("\0", ""))
        else:
            pending += character
    return "".join(result)


def _header(text: str) -> str:
    return email.header.Header(text, "utf-8" if not text.isascii() else "us-ascii").encode(
        linesep="\r\n"
    )


def _base64(data: bytes) -> str:
    coded = base64.b64encode(data).decode()
    return "\r\n".join(coded[i : i + 76] for i in range(0, len(coded), 76))


def _head(sender: str, to: str, subject: str, identifier: str, date: int) -> str:
    return (
        f"Return-Path: <{sender}>\r\n"
        f"Received: from mx.{DOMAIN} (mx.{DOMAIN} [192.0.2.25])\r\n"
        f"\tby mail.{DOMAIN} with ESMTPS id {identifier[:12]}; {email.utils.formatdate(date)}\r\n"
        f"From: {sender.partition('@')[0].title()} <{sender}>\r\n"
        f"To: {to}\r\n"
        f"Subject: {_header(subject)}\r\n"
        f"Date: {email.utils.formatdate(date)}\r\n"
        f"Message-ID: <{identifier}@{DOMAIN}>\r\n"
        "MIME-Version: 1.0\r\n"
    )


def plain_message(
    sender: str, to: str, subject: str, text: str, identifier: str, date: int
) -> bytes:
    """One text part in UTF-8."""
    return (
        _head(sender, to, subject, identifier, date)
        + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + text.replace("\n", "\r\n")
        + "\r\n"
    ).encode()


def alternative_message(
    sender: str, to: str, subject: str, text: str, identifier: str, date: int
) -> bytes:
    """multipart/alternative: text and HTML."""
    paragraphs = "".join(f"<p>{line}</p>" for line in text.split("\n"))
    html = f"<!DOCTYPE html><html><body>{paragraphs}</body></html>"
    return (
        _head(sender, to, subject, identifier, date)
        + f'Content-Type: multipart/alternative; boundary="=_{identifier}"\r\n\r\n'
        f"--=_{identifier}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n" + text.replace("\n", "\r\n") + "\r\n"
        f"--=_{identifier}\r\nContent-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n" + _base64(html.encode()) + "\r\n"
        f"--=_{identifier}--\r\n"
    ).encode()


def message_with_attachment(
    sender: str, to: str, subject: str, text: str, identifier: str, date: int, attachment: bytes
) -> bytes:
    """multipart/mixed: text and one file."""
    return (
        _head(sender, to, subject, identifier, date)
        + f'Content-Type: multipart/mixed; boundary="=_{identifier}"\r\n\r\n'
        f"--=_{identifier}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n" + text.replace("\n", "\r\n") + "\r\n"
        f'--=_{identifier}\r\nContent-Type: application/pdf; name="plan-{identifier[:8]}.pdf"\r\n'
        f'Content-Disposition: attachment; filename="plan-{identifier[:8]}.pdf"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n" + _base64(attachment) + "\r\n"
        f"--=_{identifier}--\r\n"
    ).encode()


def _text(dice: random.Random) -> str:
    sentences = dice.choices(SENTENCES, k=dice.randint(2, 14))
    return "\n".join(textwrap.wrap(" ".join(sentences), 76)) + "\n"


def messages_of(user: str) -> Iterator[tuple[str, Message]]:
    """The mail that only this user has: (folder, message)."""
    dice = random.Random(f"mail of {user}")
    for folder, count in FOLDERS:
        for _ in range(count):
            identifier = f"{dice.getrandbits(96):024x}"
            date = START_OF_TIME + dice.randrange(25_000_000)
            other = f"{dice.choice(NAMES)}@{DOMAIN}"
            sender, to = (user, other) if folder in ("Sent", "Drafts") else (other, user)
            subject = dice.choice(SUBJECTS)
            make = dice.choice((plain_message, alternative_message))
            flags = "".join(flag for flag in "FRS" if dice.random() < 0.5)
            if folder == "Drafts":
                flags = "D" + flags
            yield folder, Message(
                make(sender, to, subject, _text(dice), identifier, date), date, flags
            )
        if folder == "INBOX":
            identifier = f"{dice.getrandbits(96):024x}"
            attachment = dice.randbytes(1000 * dice.randint(5, 60))
            date = START_OF_TIME + dice.randrange(25_000_000)
            content = message_with_attachment(
                f"office@{DOMAIN}",
                user,
                "Contract, signed",
                _text(dice),
                identifier,
                date,
                attachment,
            )
            yield folder, Message(content, date, "S")


def shared_messages() -> Iterator[tuple[str, Message]]:
    """The mail that everybody got: large attachments."""
    dice = random.Random("mail to everybody")
    for folder, kilobytes in SHARED_ATTACHMENTS:
        identifier = f"{dice.getrandbits(96):024x}"
        date = START_OF_TIME + dice.randrange(25_000_000)
        content = message_with_attachment(
            f"works@{DOMAIN}",
            f"everybody@{DOMAIN}",
            f"Plans of the works ({kilobytes} kB)",
            _text(dice),
            identifier,
            date,
            dice.randbytes(1000 * kilobytes),
        )
        yield folder, Message(content, date)


class SharedMail:
    """The messages to everybody as files in one directory, to be linked into mailboxes on the same
    file system."""

    def __init__(self, directory: Path, uid: int, gid: int):
        directory.mkdir(parents=True, exist_ok=True)
        self.files: list[tuple[str, Path, Message]] = []
        for number, (folder, message) in enumerate(shared_messages()):
            path = directory / f"{number}.eml"
            path.write_bytes(message.content)
            os.chown(path, uid, gid)
            os.utime(path, (message.date, message.date))
            self.files.append((folder, path, message))


def folder_directory(maildir: Path, folder: str) -> Path:
    """Where Maildir++ keeps a folder."""
    if folder == "INBOX":
        return maildir
    return maildir / ("." + modified_utf7(folder).replace("/", "."))


def fill_maildir(
    maildir: Path, user: str, uid: int, gid: int, shared: SharedMail | None = None
) -> int:
    """Makes the user's whole mailbox. Returns how many messages it has."""
    made = [maildir.parent, maildir]
    maildir.mkdir(parents=True)
    for folder, _ in FOLDERS:
        directory = folder_directory(maildir, folder)
        for path in (directory, directory / "cur", directory / "new", directory / "tmp"):
            if not path.exists():
                path.mkdir()
            made.append(path)
        if folder != "INBOX":
            (directory / "maildirfolder").touch()
            made.append(directory / "maildirfolder")
    subscriptions = maildir / "subscriptions"
    names = [modified_utf7(folder).replace("/", "\t") for folder, _ in FOLDERS]
    subscriptions.write_text("V\t2\n\n" + "\n".join(names) + "\n")
    made.append(subscriptions)
    for path in made:
        os.chown(path, uid, gid)

    count = 0
    for folder, message in messages_of(user):
        path = folder_directory(maildir, folder) / "cur" / _file_name(message, count)
        path.write_bytes(message.content)
        os.chown(path, uid, gid)
        os.utime(path, (message.date, message.date))
        count += 1
    for folder, source, message in shared.files if shared else ():
        os.link(source, folder_directory(maildir, folder) / "cur" / _file_name(message, count))
        count += 1
    return count


def _file_name(message: Message, number: int) -> str:
    size = len(message.content)
    flags = "".join(sorted(message.flags))
    return f"{message.date}.M{number:06d}P1.headgate,S={size},W={size}:2,{flags}"


def files_of(maildir: Path, folder: str) -> list[Path]:
    """The message files of a folder."""
    directory = folder_directory(maildir, folder)
    return sorted([*(directory / "cur").iterdir(), *(directory / "new").iterdir()])
