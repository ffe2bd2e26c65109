"""A crowd of strangers: python3 -m suite.crowd PORT FIRST COUNT. Each comes once, from an address of its own, with
a name and a password that nobody has, in the clear. Prints how many were refused, and what else became of them, as JSON."""

import collections
import json
import select
import socket
import sys

AT_A_TIME = 256
PATIENCE_S = 30


def address(number):
    """Of 127.0.0.0/8, all of which is this machine, without those that anybody uses."""
    number += 0x10000
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


class Stranger:
    def __init__(self, port, number):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((address(number), 0))
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(f"a LOGIN stranger{number}@example.org guess{number}\r\n".encode())
        self.heard = b""

    def listen(self):
        """What became of it; None: nothing yet."""
        try:
            got = self.socket.recv(4096)
        except ConnectionError:
            got = b""
        self.heard += got
        if got and b"\r\n* BYE" not in self.heard:
            return None
        self.socket.close()
        return "refused" if b"\r\na NO [AUTHENTICATIONFAILED]" in self.heard else "other"


def come(port, first, count):
    outcomes = collections.Counter()
    waiting = {}
    poll = select.epoll()
    numbers = iter(range(first, first + count))
    while sum(outcomes.values()) < count:
        while len(waiting) < AT_A_TIME and (number := next(numbers, None)) is not None:
            stranger = Stranger(port, number)
            waiting[stranger.socket.fileno()] = stranger
            poll.register(stranger.socket, select.EPOLLIN)
        ready = poll.poll(PATIENCE_S)
        if not ready:
            outcomes["no answer"] += len(waiting)
            break
        for descriptor, _ in ready:
            if outcome := waiting[descriptor].listen():
                outcomes[outcome] += 1
                del waiting[descriptor]
    return outcomes


if __name__ == "__main__":
    print(json.dumps(come(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
