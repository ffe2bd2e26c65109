"""What can happen to a mail server, and how it is mended."""

import contextlib
import os
import pathlib
import signal
import threading
import time

from certificates import Authority
from server_process import freeze_group

# A disk that does not answer for 1.9 of every 2 seconds.
HANGS, WORKS = 1.9, 0.1


class Failure:
    """One kind. `states` are those of docs/health.md that say that Headgate has acted upon it."""

    name = ""
    title = ""
    states = ("down",)

    def __init__(self, farm):
        self.farm = farm

    def strike(self, backend, number):
        """In a thread of its own for each backend; `number` counts those that are struck at once from 0."""
        raise NotImplementedError

    def mend(self, backend):
        """Returns when the backend could serve again."""
        raise NotImplementedError


class Kill(Failure):
    name = "kill"
    title = "kill -9"

    def strike(self, backend, number):
        backend.kill()

    def mend(self, backend):
        backend.start()


class Stop(Failure):
    name = "stop"
    title = "SIGSTOP"

    def strike(self, backend, number):
        freeze_group(backend.process.pid)

    def mend(self, backend):
        os.killpg(backend.process.pid, signal.SIGCONT)


class Drop(Failure):
    """No packet passes either way, as when a cable is cut."""

    name = "drop"
    title = "firewall drops"

    def strike(self, backend, number):
        self.farm.network.put("gone", backend.address)

    def mend(self, backend):
        self.farm.network.take_out("gone", backend.address)


class Refuse(Failure):
    """New connections are refused; those that are there go on."""

    name = "refuse"
    title = "connects refused"

    def strike(self, backend, number):
        self.farm.network.put("refusing", backend.address)

    def mend(self, backend):
        self.farm.network.take_out("refusing", backend.address)


class SlowDisk(Failure):
    """All processes that read mail hang for most of the time, together, as they do in front of a disk that does
    not answer. Those that accept, shake hands and check passwords go on, as theirs is in memory."""

    name = "disk"
    title = "slow disk"
    states = ("slow", "down")

    def __init__(self, farm):
        super().__init__(farm)
        self.ends = {}

    def strike(self, backend, number):
        end = threading.Event()
        thread = threading.Thread(target=self._hang, args=(backend.process.pid, end), daemon=True)
        self.ends[backend.name] = (end, thread)
        thread.start()

    def mend(self, backend):
        end, thread = self.ends.pop(backend.name)
        end.set()
        thread.join()

    @staticmethod
    def _hang(master, end):
        while not end.is_set():
            stopped = set()
            until = time.monotonic() + HANGS
            while time.monotonic() < until and not end.wait(0.02):
                for pid in mail_processes(master) - stopped:
                    send(pid, signal.SIGSTOP)
                    stopped.add(pid)
            for pid in stopped:
                send(pid, signal.SIGCONT)
            end.wait(WORKS)


def send(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def mail_processes(master):
    """Dovecot's `imap` processes: one a session, and those that wait for one."""
    found = set()
    for pid in pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split():
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/comm").read_text() == "imap\n":
                found.add(int(pid))
    return found


class Certificate(Failure):
    """The file is replaced and Dovecot reloads; sessions that are there go on. One backend's certificate has
    expired, where there are two the second one's is signed by somebody whom Headgate does not trust."""

    name = "certificate"
    title = "bad certificate"

    def __init__(self, farm):
        super().__init__(farm)
        self.good = {}
        self.stranger = Authority(farm.directory / "stranger", "Somebody else")

    def strike(self, backend, number):
        who = self.stranger if number > 0 else self.farm.authority
        bad = who.issue(f"bad-{backend.name}", names=(), addresses=(backend.address,),
                        expired=number == 0)
        current = backend.certificate
        self.good[backend.name] = (current.certificate.read_bytes(), current.key.read_bytes())
        self._install(backend, bad.certificate.read_bytes(), bad.key.read_bytes())

    def mend(self, backend):
        self._install(backend, *self.good.pop(backend.name))

    @staticmethod
    def _install(backend, certificate, key):
        backend.certificate.certificate.write_bytes(certificate)
        backend.certificate.key.write_bytes(key)
        os.kill(backend.process.pid, signal.SIGHUP)


KINDS = (Kill, Stop, Drop, Refuse, SlowDisk, Certificate)
BY_NAME = {kind.name: kind for kind in KINDS}
