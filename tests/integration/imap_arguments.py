"""IMAP command arguments, as far as a fake backend has to read them."""

import dataclasses
import re
from typing import Any


class Quoted(bytes):
    """An argument that came as a quoted string."""


class Literal(bytes):
    """An argument that came as a literal; `sync`: it asked for a continuation first."""

    sync = True


@dataclasses.dataclass
class Command:
    tag: bytes
    name: str
    arguments: list[Any]  # bytes (atoms), Quoted, Literal, or lists of them
    raw: bytes


class Arguments:
    """Collects the arguments of a command over all its lines."""

    def __init__(self):
        self.stack = [[]]

    def add(self, item):
        self.stack[-1].append(item)

    def add_line(self, line):
        position = 0
        while position < len(line):
            byte = line[position : position + 1]
            if byte == b" ":
                position += 1
            elif byte == b"(":
                self.stack.append([])
                position += 1
            elif byte == b")":
                inner = self.stack.pop()
                self.add(inner)
                position += 1
            elif byte == b'"':
                found = re.match(rb'"((?:[^"\\\r\n]|\\["\\])*)"', line[position:])
                if not found:
                    raise ValueError(f"bad quoted string in {line!r}")
                self.add(Quoted(re.sub(rb"\\(.)", rb"\1", found.group(1))))
                position += found.end()
            else:
                found = re.match(rb'[^ ()"]+', line[position:])
                self.add(found.group(0))
                position += found.end()
