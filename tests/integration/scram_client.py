"""The client's side of SCRAM (RFC 5802), and what servers store for it."""

import base64
import hashlib
import hmac

PASSWORD = "pencil"
HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}


def stored(mechanism, password=PASSWORD, iterations=4096):
    """What doveadm pw -s MECHANISM writes."""
    name = HASHES[mechanism]
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", name)
    keys = [hashlib.new(name, client_key).digest(), hmac.digest(salted, b"Server Key", name)]
    words = [base64.b64encode(each).decode() for each in (salt, *keys)]
    return f"{{{mechanism}}}{iterations},{','.join(words)}"


class Scram:
    """One exchange over a RawClient."""

    def __init__(self, client, mechanism="SCRAM-SHA-256", user="alice", password=PASSWORD):
        self.client, self.mechanism, self.password = client, mechanism, password
        self.hash = HASHES[mechanism.removesuffix("-PLUS")]
        self.bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"

    def send(self, message):
        self.client.send(base64.b64encode(message.encode()) + b"\r\n")
        return self.client.line()

    def first(self, header="n,,"):
        """What the server says to the first message: its text, or the whole tagged reply."""
        self.header = header
        message = base64.b64encode((header + self.bare).encode())
        self.client.send(b"s AUTHENTICATE %s %s\r\n" % (self.mechanism.encode(), message))
        line = self.client.line()
        self.server_first = (
            base64.b64decode(line[2:]).decode() if line.startswith(b"+ ") else line.decode()
        )
        return self.server_first

    def proof(self, binding=b""):
        fields = dict(field.split("=", 1) for field in self.server_first.split(","))
        salted = hashlib.pbkdf2_hmac(
            self.hash, self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        client_key = hmac.digest(salted, b"Client Key", self.hash)
        bound = base64.b64encode(self.header.encode() + binding).decode()
        without = f"c={bound},r={fields['r']}"
        signed = ",".join((self.bare, self.server_first, without)).encode()
        stored_key = hashlib.new(self.hash, client_key).digest()
        signature = hmac.digest(stored_key, signed, self.hash)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        server_key = hmac.digest(salted, b"Server Key", self.hash)
        self.verifier = b"v=" + base64.b64encode(hmac.digest(server_key, signed, self.hash))
        return f"{without},p={base64.b64encode(proof).decode()}"

    def run(self):
        """The tagged reply, after the server has shown that it knows the password as well."""
        if not self.first().startswith("r="):
            return self.server_first.encode()
        line = self.send(self.proof())
        if line.startswith(b"+ "):
            assert base64.b64decode(line[2:]) == self.verifier
            line = self.send("")
        return line
