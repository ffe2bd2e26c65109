"""The admin API from outside: requests with a token, and answers checked against docs/openapi.yaml."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import yaml

from headgate_process import REPOSITORY

OPERATOR = "operator-token-0123456789"
READER = "reader-token-0123456789"


def description():
    return yaml.safe_load((REPOSITORY / "docs/openapi.yaml").read_text())


def admin_section(folder, address="127.0.0.1:0", **more):
    """The section `admin` with an operator `alice` and a reader `bob`."""
    tokens = []
    for name, role, token in (("alice", "operator", OPERATOR), ("bob", "read", READER)):
        file = folder / f"{name}.token"
        file.write_text(token + "\n")
        tokens.append({"name": name, "role": role, "token_file": str(file)})
    return {"address": address, "tokens": tokens, **more}


class Api:
    """Asks a running Headgate. Every answer must be as the description says; `asked` notes which
    (path, method, status) were."""

    document = description()

    def __init__(self, gate, token=OPERATOR, url=None):
        self.gate = gate
        self.url = url  # None: that of the gate
        self.token = token
        self.asked = set()

    def raw(self, method, path, body=None, token=None):
        """(status, decoded body)"""
        request = urllib.request.Request(f"{self.url or self.gate.admin_url()}/api/v1/{path}", method=method)
        token = self.token if token is None else token
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
        elif method == "POST":
            request.data = b""
        try:
            with self.gate.ask_admin(request) as reply:
                status, answer = reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                status, answer = error.code, json.load(error)
        self.check(method, "/api/v1/" + path, status, answer)
        return status, answer

    def check(self, method, path, status, answer):
        path = path.partition("?")[0]
        for pattern, operations in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
                break
        else:
            raise AssertionError(f"{path} is not described")
        response = operations[method.lower()]["responses"].get(str(status))
        assert response, f"{method} {path} answered {status}, which is not described: {answer}"
        if "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        schema = {**response["content"]["application/json"]["schema"],
                  "components": self.document["components"]}
        jsonschema.Draft202012Validator(schema).validate(answer)
        self.asked.add((pattern, method, status))

    def get(self, path, **parameters):
        query = "?" + urllib.parse.urlencode(parameters) if parameters else ""
        status, answer = self.raw("GET", path + query)
        assert status == 200, answer
        return answer

    def post(self, path, body=None):
        status, answer = self.raw("POST", path, body)
        assert status == 200, answer
        return answer

    def backend(self, address, what, body=None, pool="main"):
        return self.post(f"backends/{pool}/{address}/{what}", body)

    def backends(self):
        """By address."""
        return {one["backend"]: one for one in self.get("backends")["backends"]}

    def sessions(self, limit=1000, **filters):
        """All pages, and how many there were."""
        sessions, pages, cursor = [], 0, {}
        while True:
            page = self.get("sessions", limit=limit, **filters, **cursor)
            sessions += page["sessions"]
            pages += 1
            if page["next"] is None:
                return sessions, pages
            cursor = {"cursor": page["next"]}
