"""Runs the real binary for a test: writes its configuration, starts it, reads its log, stops it.

Every listener is on port 0; the ports come from Headgate's own "listening" lines. Stopping asserts
that the process ended well and that no sanitizer had anything to say."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from certificates import Authority, Certificate

REPOSITORY = Path(__file__).resolve().parents[2]

SANITIZER_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
)

# Sanitizer builds are several times slower than release builds, and machines are shared.
PATIENCE = 20.0


def binary() -> Path:
    """The program under test: $HEADGATE, or the release build."""
    path = Path(os.environ.get("HEADGATE") or REPOSITORY / "build/release/headgate").resolve()
    if not path.exists():
        raise RuntimeError(
            f"{path} does not exist: run scripts/build, or name the binary in $HEADGATE"
        )
    return path


def configuration(
    certificate: Certificate,
    backends: Iterable[str | dict[str, Any]],
    *,
    pool: dict[str, Any] | None = None,
    listeners: list[dict[str, Any]] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A configuration with listeners `imaps`, `imap` (STARTTLS) and `plain`, and one pool `main`.

    `backends` are "HOST:PORT" or whole entries; `pool` adds keys to the pool, `more` adds or
    replaces top-level keys. The result is a plain dict: change whatever a test needs."""
    if listeners is None:
        listeners = [
            {"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit"},
            {"name": "imap", "address": "127.0.0.1:0", "tls": "starttls"},
            {"name": "plain", "address": "127.0.0.1:0", "tls": "none"},
        ]
    entries = [b if isinstance(b, dict) else {"address": b} for b in backends]
    return {
        "listeners": listeners,
        "tls": {
            "certificates": [
                {"certificate": str(certificate.certificate), "key": str(certificate.key)}
            ]
        },
        "pools": {"main": {"policy": "user_hash", **(pool or {}), "backends": entries}},
        "users": [{"source": "backend", "pool": "main"}],
        "admin": {"address": "127.0.0.1:0"},
        "log": {"level": "info", "format": "json"},
        **more,
    }


def _parse_text(line: str) -> dict[str, Any] | None:
    """A line of the format `text`: TIME LEVEL EVENT, two spaces, KEY=VALUE …"""
    found = re.match(r"(\d\S+Z) (debug|info|warning|error) +(\S+(?: \S+)*?)(?:  (.*))?$", line)
    if not found:
        return None
    time_, level, event, fields = found.groups()
    pairs = re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', fields or "")
    return {"time": time_, "level": level, "event": event, **dict(pairs)}


REFUSED = "reload refused, the configuration stays as it was"


class Log:
    """The lines a process wrote to standard error, as they come, parsed."""

    def __init__(self, stream: Any):
        self.lines: list[str] = []
        self.entries: list[dict[str, Any]] = []
        self._ended = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            entry = None
            if line.startswith("{"):
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
            else:
                entry = _parse_text(line)
            with self._news:
                self.lines.append(line)
                if isinstance(entry, dict):
                    self.entries.append(entry)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()
        stream.close()

    def join(self) -> None:
        """Waits until the process has closed its standard error."""
        self._thread.join(PATIENCE)

    def text(self) -> str:
        with self._news:
            return "\n".join(self.lines)

    def find(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        """All entries so far of this event with these fields."""
        with self._news:
            return self._find(event, fields)

    def _find(self, event: str, fields: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.entries
            if entry.get("event") == event and all(entry.get(k) == v for k, v in fields.items())
        ]

    def wait_for(
        self, event: str, count: int = 1, timeout: float = PATIENCE, **fields: Any
    ) -> list[dict[str, Any]]:
        """Waits until at least `count` such entries are there, and returns all of them."""
        deadline = time.monotonic() + timeout
        with self._news:
            while True:
                found = self._find(event, fields)
                if len(found) >= count:
                    return found
                remaining = deadline - time.monotonic()
                if self._ended or remaining <= 0:
                    why = "the process ended" if self._ended else f"{timeout:.0f} s passed"
                    raise AssertionError(
                        f"{why} with {len(found)} of {count} '{event}' {fields or ''} in the log:\n"
                        + "\n".join(self.lines[-50:])
                    )
                self._news.wait(remaining)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, **options: Any):
        super().__init__("unix", **options)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _ByUnixSocket(urllib.request.HTTPHandler):
    def __init__(self, path: str):
        super().__init__()
        self._path = path

    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(lambda _, **options: _UnixConnection(self._path, **options), request)


class Metrics:
    """One reading of /metrics."""

    def __init__(self, text: str):
        self.text = text
        self.samples: list[tuple[str, dict[str, str], float]] = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def matching(self, name: str, **labels: str) -> list[tuple[dict[str, str], float]]:
        return [
            (found, value)
            for sample, found, value in self.samples
            if sample == name and all(found.get(k) == v for k, v in labels.items())
        ]

    def value(self, name: str, **labels: str) -> float:
        """The sum over all series of this name with these labels; 0 when there is none."""
        return sum(value for _, value in self.matching(name, **labels))


class Headgate:
    """One running Headgate. Use it as a context manager, or call start() and stop()."""

    def __init__(self, directory: Path, config: dict[str, Any]):
        self.directory = directory
        self.config = config
        self.config_file = directory / "headgate.yaml"
        self.process: subprocess.Popen[bytes] | None = None
        self.log: Log | None = None
        self.admin: tuple[str, int] | None = None
        self.admin_socket: str | None = None
        self._addresses: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> Headgate:
        return self.start()

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()

    @staticmethod
    def environment() -> dict[str, str]:
        return {
            **os.environ,
            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": "exitcode=98:second_deadlock_stack=1",
        }

    def write_config(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))
        return self.config_file

    def start(self) -> Headgate:
        """Starts the process and returns when it says that it is ready."""
        self.write_config()
        self.process = subprocess.Popen(
            [binary(), "run", "--config", self.config_file],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self.environment(),
            start_new_session=True,
        )
        assert self.process.stderr is not None
        self.log = Log(self.process.stderr)
        try:
            self.log.wait_for("ready")
            for entry in self.log.find("listening"):
                self._addresses[entry["listener"]] = _host_port(entry["address"])
            for entry in self.log.find("admin listening"):
                if entry["address"].startswith("/"):
                    self.admin_socket = entry["address"]
                else:
                    self.admin = _host_port(entry["address"])
        except BaseException:
            self.kill()
            raise
        return self

    def reload(self, verdict: str = "reloaded") -> list[dict[str, Any]]:
        """Writes the configuration, sends SIGHUP and waits for this verdict: "reloaded", with the
        entries about what changed, or REFUSED, with the entries that say why."""
        assert self.process is not None and self.log is not None
        entries = {"reloaded": "configuration changed", REFUSED: REFUSED}[verdict]
        before = len(self.log.find(verdict)), len(self.log.find(entries))
        new = self.config_file.with_suffix(".new")
        new.write_text(yaml.safe_dump(self.config, sort_keys=False))
        new.replace(self.config_file)
        self.process.send_signal(signal.SIGHUP)
        self.log.wait_for(verdict, before[0] + 1)
        for entry in self.log.find("listening"):
            self._addresses[entry["listener"]] = _host_port(entry["address"])
        return self.log.find(entries)[before[1] :]

    def address(self, listener: str) -> tuple[str, int]:
        """Host and port of the listener of this name."""
        return self._addresses[listener]

    def port(self, listener: str) -> int:
        return self._addresses[listener][1]

    def get(self, path: str) -> str:
        """GET from the admin address; raises urllib.error.HTTPError for 4xx and 5xx."""
        with self.ask_admin(urllib.request.Request(self.admin_url() + path)) as reply:
            return reply.read().decode()

    def admin_url(self) -> str:
        """Of the admin address; without one that has a port, of its Unix socket, as ask_admin() takes it."""
        if self.admin is None:
            assert self.admin_socket is not None, "no admin address is configured"
            return "http://unix"
        host, port = self.admin
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def ask_admin(self, request: urllib.request.Request) -> Any:
        """urlopen(), at the admin address; at its Unix socket where the URL's host is `unix`."""
        if request.host != "unix":
            return urllib.request.urlopen(request, timeout=PATIENCE)
        assert self.admin_socket is not None
        return urllib.request.build_opener(_ByUnixSocket(self.admin_socket)).open(request, timeout=PATIENCE)

    def metrics(self) -> Metrics:
        return Metrics(self.get("/metrics"))

    def wait_for_metrics(
        self, condition: Callable[[Metrics], bool], timeout: float = PATIENCE
    ) -> Metrics:
        """Reads /metrics until `condition` holds, and returns that reading."""
        deadline = time.monotonic() + timeout
        while True:
            metrics = self.metrics()
            if condition(metrics):
                return metrics
            if time.monotonic() > deadline:
                raise AssertionError(f"the metrics did not come to hold:\n{metrics.text}")
            time.sleep(0.02)

    def session_ends(self, count: int = 0, **fields: Any) -> list[dict[str, Any]]:
        """The "session end" entries with these fields, waiting until there are `count` of them."""
        assert self.log is not None
        return self.log.wait_for("session end", count, **fields)

    def explain(self, user: str) -> dict[str, Any]:
        """What `headgate explain --json` says about this user."""
        return explain(self.config_file, user)

    def check(self) -> subprocess.CompletedProcess[str]:
        """Runs `headgate check` on the configuration (written first)."""
        self.write_config()
        return subprocess.run(
            [binary(), "check", "--config", self.config_file],
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=PATIENCE,
            check=False,
        )

    def stop(self, timeout: float = PATIENCE) -> None:
        """SIGTERM; asserts exit code 0 and that no sanitizer reported anything."""
        process, log = self.process, self.log
        if process is None or log is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(
                f"Headgate did not stop within {timeout:.0f} s of SIGTERM:\n{log.text()[-4000:]}"
            ) from None
        log.join()
        self.process = None
        text = log.text()
        print("The last of Headgate's log:", text[-4000:], sep="\n")  # seen where a test failed
        for report in SANITIZER_REPORTS:
            assert report not in text, f"a sanitizer reported:\n{text[-20000:]}"
        assert code == 0, f"Headgate ended with {code}:\n{text[-4000:]}"

    def kill(self) -> None:
        """Ends the process at once and asserts nothing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.log is not None:
                self.log.join()
            self.process = None


def explain(config_file: Path, user: str) -> dict[str, Any]:
    done = subprocess.run(
        [binary(), "explain", "--json", "--config", config_file, user],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"headgate explain failed: {done.stderr}"
    return json.loads(done.stdout)


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


__all__ = [
    "Authority",
    "Headgate",
    "Log",
    "Metrics",
    "PATIENCE",
    "REFUSED",
    "REPOSITORY",
    "binary",
    "configuration",
    "explain",
]
