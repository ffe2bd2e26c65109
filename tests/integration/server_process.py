"""What the private mail servers of the tests have in common: a directory of their own outside
pytest's (which other users cannot enter), free ports, a process group, an end without survivors."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Endpoint:
    """Where a client connects: to a server itself or to Headgate in front of it."""

    host: str
    port: int
    tls: str = "none"  # none, starttls or implicit
    ca: Path | None = None

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def free_port(address: str) -> int:
    """A port of `address` that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def can_listen(address: str, port: int) -> bool:
    """Whether this user may bind the port and nothing else has it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def can_connect(address: str, port: int) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((address, port), timeout=START_TIMEOUT):
            return True
    except OSError:
        return False


def greets(address: str, port: int) -> bool:
    """Whether an IMAP server speaks there, in plain text."""
    try:
        with socket.create_connection((address, port), timeout=START_TIMEOUT) as connection:
            return connection.recv(100).startswith(b"* OK")
    except OSError:
        return False


def freeze_group(pid: int) -> None:
    """Stops the process group of `pid` as SIGSTOP does, and returns when every thread of the leader has
    stopped: a thread that is running when the signal is sent may still answer one more question."""
    os.killpg(pid, signal.SIGSTOP)
    wait_until_frozen(pid)


def wait_until_frozen(pid: int) -> None:
    deadline = time.monotonic() + STOP_TIMEOUT
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        while not _is_stopped_or_gone(thread):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{thread} does not stop")
            time.sleep(0.005)


def _is_stopped_or_gone(thread: Path) -> bool:
    try:
        stat = (thread / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    # The state follows the name, which is in parentheses and may hold some itself.
    return stat.rpartition(")")[2].split()[0] == "T"


def service_user() -> tuple[str, int, int]:
    """Whom mail belongs to: nobody when we are root, else ourselves. Name, uid and gid."""
    import pwd

    entry = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return entry.pw_name, entry.pw_uid, entry.pw_gid


def group_members(group: int) -> list[int]:
    """The processes of a process group that are still there, zombies not counted."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            members.append(int(stat.parent.name))
    return members


class ServerProcess:
    """One server in the foreground, in a session of its own and a directory of its own."""

    def __init__(self, kind: str, directory: Path | None = None):
        if directory is None:
            self.directory = Path(tempfile.mkdtemp(prefix=f"headgate-{kind}-"))
        else:
            self.directory = directory
            directory.mkdir(parents=True)
        self.directory.chmod(0o755)
        self.kind = kind
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, command: list[str | Path], environment: dict[str, str] | None = None) -> None:
        output = (self.directory / "output").open("wb")
        with output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )

    def wait_for_greetings(self, places: Iterable[tuple[str, int]]) -> None:
        """Returns when every place (plain text) greets; raises with the server's words if not."""
        self._wait_for(greets, places)

    def wait_for_listeners(self, places: Iterable[tuple[str, int]]) -> None:
        """The same for places that say nothing by themselves, such as those of TLS."""
        self._wait_for(can_connect, places)

    def _wait_for(
        self, is_there: Callable[[str, int], bool], places: Iterable[tuple[str, int]]
    ) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        for host, port in places:
            while not is_there(host, port):
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(
                        f"{self.kind} does not answer at {host}:{port}:\n{self.words()}"
                    )
                time.sleep(0.02)

    def words(self) -> str:
        """What the server has to say for itself when something fails."""
        return (self.directory / "output").read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """SIGKILL to all of it; returns when nothing is left. The directory stays, for another start."""
        assert self.process is not None
        group = self.process.pid
        os.killpg(group, signal.SIGKILL)
        self.process.wait()
        while group_members(group):
            time.sleep(0.005)
        self.process = None

    def stop(self, keep: bool = False) -> list[int]:
        """Ends the server and whatever it started. Returns processes that had to be killed."""
        killed: list[int] = []
        if self.process is not None:
            group = self.process.pid
            # The whole group: Dovecot's master waits many seconds for sessions that still run.
            if self.process.poll() is None:
                os.killpg(group, signal.SIGTERM)
            deadline = time.monotonic() + STOP_TIMEOUT
            while (
                self.process.poll() is None or group_members(group)
            ) and time.monotonic() < deadline:
                time.sleep(0.02)
            killed = group_members(group)
            if killed:
                os.killpg(group, signal.SIGKILL)
            self.process.wait()
            self.process = None
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        return killed
