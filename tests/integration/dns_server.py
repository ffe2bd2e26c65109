"""A DNS server that answers as a test says, over UDP and TCP on one port of 127.0.0.1."""

import socket
import struct
import threading

A, AAAA, SRV = 1, 28, 33
NXDOMAIN, SERVFAIL = 3, 2


def _labels(name):
    parts = [part.encode() for part in name.split(".") if part]
    return b"".join(bytes([len(part)]) + part for part in parts) + b"\0"


def srv(target, port, priority=10, weight=100, ttl=0):
    """A record for DnsServer.srv()."""
    return ttl, struct.pack("!HHH", priority, weight, port) + _labels(target)


class DnsServer:
    """Records by (name, type); a name without any does not exist. Change them at any time."""

    def __init__(self):
        self.records = {}
        self.rcode = 0  # other than 0: the answer to every question
        self.silent = False
        self.questions = []
        self._news = threading.Condition()
        while True:  # one port for both
            self._tcp = socket.create_server(("127.0.0.1", 0))
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self._udp.bind(self._tcp.getsockname())
                break
            except OSError:
                self._tcp.close()
                self._udp.close()
        self.address = "127.0.0.1:%d" % self._tcp.getsockname()[1]
        self._threads = [threading.Thread(target=run, daemon=True)
                         for run in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def hosts(self, **addresses):
        """hosts(mail1="127.0.0.1") → mail1.cluster.example"""
        for host, address in addresses.items():
            self.records[(f"{host}.cluster.example", A)] = [(0, socket.inet_aton(address))]

    def srv(self, name, *records):
        self.records[(name, SRV)] = list(records)

    def wait_for_questions(self, name, count, timeout=15.0):
        """Until there were `count` more for its SRV records."""
        with self._news:
            wanted = self.questions.count((name, SRV)) + count
            assert self._news.wait_for(
                lambda: self.questions.count((name, SRV)) >= wanted, timeout), self.questions

    def close(self):
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def _serve_udp(self):
        while True:
            try:
                message, peer = self._udp.recvfrom(65535)
                if not message:
                    return
                answer = self._answer(message)
                if answer and len(answer) > 512:
                    answer = answer[:2] + struct.pack("!H", 0x8380) + answer[4:12]
                    answer = answer[:6] + bytes(6) + message[12:]  # cut: ask by TCP
                if answer:
                    self._udp.sendto(answer, peer)
            except OSError:
                return

    def _serve_tcp(self):
        while True:
            try:
                connection, _ = self._tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while header := stream.read(2):
                    answer = self._answer(stream.read(int.from_bytes(header, "big")))
                    if answer:
                        connection.sendall(len(answer).to_bytes(2, "big") + answer)

    def _answer(self, message):
        end = message.index(b"\0", 12)
        at, parts = 12, []
        while at < end:
            parts.append(message[at + 1 : at + 1 + message[at]].decode())
            at += 1 + message[at]
        name, kind = ".".join(parts), int.from_bytes(message[end + 1 : end + 3], "big")
        with self._news:
            self.questions.append((name, kind))
            self._news.notify_all()
        if self.silent:
            return None
        records = self.records.get((name, kind), [])
        known = any(one == name for one, _ in self.records)
        rcode = self.rcode or (0 if known else NXDOMAIN)
        records = [] if rcode else records
        head = message[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, len(records), 0, 0)
        body = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, ttl, len(data)) + data
                        for ttl, data in records)
        return head + message[12 : end + 5] + body
