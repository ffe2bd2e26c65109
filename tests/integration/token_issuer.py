"""An issuer of OAuth tokens: keys, a key set over HTTP and an introspection endpoint."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://issuer.example"
AUDIENCE = "imap.example.org"

KINDS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
KINDS["PS256"] = KINDS["RS512"] = KINDS["RS256"]


class SigningKey:
    def __init__(self, algorithm: str, name: str, private: Any = None):
        self.algorithm = algorithm
        self.name = name
        self.private = private or KINDS[algorithm]()

    def public(self) -> dict[str, Any]:
        """Its JSON Web Key."""
        algorithm = jwt.algorithms.get_default_algorithms()[self.algorithm]
        key = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**key, "kid": self.name, "use": "sig", "key_ops": ["verify"]}


def payload(user: str = "alice", **claims: Any) -> dict[str, Any]:
    """What a good token says, with `claims` added or replaced; None removes one."""
    now = int(time.time())
    whole = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": now + 300,
        "iat": now,
        "email": user,
        **claims,
    }
    return {name: value for name, value in whole.items() if value is not None}


class Issuer:
    """Serves `/keys` and `/introspect`; says of a token what `says` holds for it, else not active."""

    def __init__(self, *algorithms: str):
        self.keys = [SigningKey(each, f"{each}-1") for each in algorithms]
        self.says: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.hanging = threading.Event()
        self.failing = threading.Event()
        self._end = threading.Event()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                issuer._answer(self, "")

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                issuer._answer(self, self.rfile.read(length).decode())

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _answer(self, request: BaseHTTPRequestHandler, body: str) -> None:
        self.requests.append((request.path, body, dict(request.headers)))
        if self.hanging.is_set():
            self._end.wait(30)
            return
        answer = self.key_set()
        if request.path == "/introspect":
            answer = self.says.get(parse_qs(body)["token"][0], {"active": False})
        text = json.dumps(answer).encode()
        request.send_response(500 if self.failing.is_set() else 200)
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)

    def key_set(self) -> dict[str, Any]:
        return {"keys": [key.public() for key in self.keys]}

    def fetches(self) -> int:
        return len([path for path, _, _ in self.requests if path == "/keys"])

    def token(self, claims: dict[str, Any] | None = None, key: SigningKey | None = None) -> str:
        key = key or self.keys[0]
        return jwt.encode(
            claims or payload(), key.private, algorithm=key.algorithm, headers={"kid": key.name}
        )

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def unsigned(claims: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    """A token put together by hand."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return ".".join(
        [part(json.dumps(header).encode()), part(json.dumps(claims).encode()), part(signature)]
    )
