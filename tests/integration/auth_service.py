"""A scripted auth service of Dovecot, for what a real one does not do."""

import socket
import threading

MECHANISMS = "MECH\tPLAIN\tplaintext\nMECH\tCRAM-MD5\tdictionary\tactive\n"
BEHIND = "SPID\t1\nCUID\t1\nCOOKIE\t" + "0" * 32 + "\nDONE\n"


class AuthService:
    """Listens at a TCP port of loopback. `answer` gets each line behind the handshake, as a list of its
    fields, and returns what is sent. As 2.4 does, it says what it has only to a client that has said
    VERSION."""

    def __init__(self, answer, at_once="VERSION\t1\t4\n", behind_version=MECHANISMS + BEHIND):
        self.answer, self.at_once, self.behind_version = answer, at_once, behind_version
        self.lines = []
        self.connections = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            connection.sendall(self.at_once.encode())
            with connection.makefile("r", newline="\n") as lines:
                for line in lines:
                    fields = line.rstrip("\n").split("\t")
                    self.lines.append(fields)
                    if fields[0] == "VERSION":
                        connection.sendall(self.behind_version.encode())
                    elif fields[0] != "CPID":
                        connection.sendall(self.answer(fields).encode())
        except OSError:
            pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
