"""Six real Dovecots, each with a store and an address of its own behind a network of ours, and Headgate before
them.

The network is a namespace with one veth pair; its firewall is the namespace's own, so nothing of the machine's is
touched and all of it is gone with the namespace."""

import contextlib
import datetime
import os
import pathlib
import shutil
import subprocess
import tempfile

from certificates import Authority
from dovecot import Dovecot
from headgate_process import Headgate, configuration

BACKENDS = 6
USERS = 600
PASSWORD = "a password of many"
PROBE = "probe"
# RFC 2544: addresses for measurements.
NETWORK = "198.18.77"
IMAP_PORT, IMAPS_PORT = 143, 993

# docs/health.md's, but for times that would make each case take minutes: slow_start (default 30s)
# and the window of `slow` (default 1m).
HEALTH = {
    "level": "login", "user": PROBE, "password": PASSWORD, "interval": "5s", "fall": 3, "rise": 2,
    "slow_start": "5s",
    "slow": {"window": "12s"},
}

# The same for who wants to lose less time to servers that hang, and has a network that is never slow.
BRISK = {"connect_timeout": "1s", "health": {**HEALTH, "interval": "1s", "timeout": "1s"}}

RULES = """\
table inet headgate {
  set refusing { type ipv4_addr; }
  set gone { type ipv4_addr; }
  chain input {
    type filter hook input priority 0; policy accept;
    ip daddr @gone drop
    ip daddr @refusing tcp flags & (syn|ack) == syn reject with tcp reset
  }
  chain output {
    type filter hook output priority 0; policy accept;
    ip saddr @gone drop
  }
}
"""


def run(*command, words=None):
    done = subprocess.run(command, input=words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


class Network:
    """The namespace. `inside` is what runs a command in it."""

    def __init__(self):
        self.name = f"headgate-{os.getpid()}"
        self.near = f"hg{os.getpid()}"  # at most 15 characters
        self.inside = ("nsenter", f"--net=/run/netns/{self.name}")

    def __enter__(self):
        if os.geteuid() != 0 or shutil.which("nft") is None:
            raise SystemExit("bench: reliability needs root and the Debian package nftables")
        run("ip", "netns", "add", self.name)
        try:
            run("ip", "link", "add", self.near, "type", "veth", "peer", "name", "far", "netns",
                self.name)
            run("ip", "address", "add", f"{NETWORK}.1/24", "dev", self.near)
            run("ip", "link", "set", self.near, "up")
            for number in range(1, BACKENDS + 1):
                run("ip", "-n", self.name, "address", "add", f"{address(number)}/24", "dev", "far")
            for link in ("far", "lo"):
                run("ip", "-n", self.name, "link", "set", link, "up")
            run(*self.inside, "nft", "-f", "-", words=RULES)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "delete", self.near], stderr=subprocess.DEVNULL, check=False)
        run("ip", "netns", "delete", self.name)

    def put(self, where, place):
        """An address into the set `refusing` or `gone`."""
        run(*self.inside, "nft", "add", "element", "inet", "headgate", where, f"{{ {place} }}")

    def take_out(self, where, place):
        run(*self.inside, "nft", "delete", "element", "inet", "headgate", where, f"{{ {place} }}")


def address(number):
    return f"{NETWORK}.{10 + number}"


class Farm:
    """The backends by name (d1 … d6), the proxy, and the users' names. `pool` has keys that differ."""

    def __init__(self, headgate, stack, pool):
        os.environ["HEADGATE"] = str(headgate)  # what headgate_process starts
        self.users = [f"user{number}" for number in range(1, USERS + 1)]
        # Not below the bench's directory: Dovecot's own users must be able to enter it.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="headgate-reliability-"))
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.directory.chmod(0o755)
        self.network = stack.enter_context(Network())
        self.authority = Authority(self.directory / "certificates")
        self.backends = {}
        for number in range(1, BACKENDS + 1):
            backend = self._backend(number)
            self.backends[backend.name] = backend
            stack.enter_context(backend)
        self.gate = stack.enter_context(Headgate(self.directory / "headgate", self._config(pool)))

    def _backend(self, number):
        name, place = f"d{number}", address(number)
        certificate = self.authority.issue(name, names=(f"{name}.example.org",), addresses=(place,))
        return Dovecot(
            {user: PASSWORD for user in [*self.users, PROBE]}, name=name, address=place,
            port=IMAP_PORT, tls_port=IMAPS_PORT, certificate=certificate,
            directory=self.directory / name, runner=self.network.inside)

    def _config(self, pool):
        return configuration(
            self.authority.issue("proxy"),
            [f"{one.address}:{one.tls_port}" for one in self.backends.values()],
            pool={"tls": "implicit", "ca": str(self.authority.ca), "health": HEALTH, **pool},
            listeners=[{"name": "imaps", "address": "127.0.0.1:0", "tls": "implicit"}])

    def place(self, name):
        """As Headgate's log and metrics name it."""
        backend = self.backends[name]
        return f"{backend.address}:{backend.tls_port}"

    def noticed(self, name, since):
        """Seconds from `since` (a datetime) until Headgate first had something to say of the backend; None: never."""
        first = (self._first(name, since, event) for event in ("backend attempt failed", "backend state"))
        return min((time for time in first if time is not None), default=None)

    def acted(self, name, states, since):
        """The same until the backend was first in one of these states."""
        first = (self._first(name, since, "backend state", state=state) for state in states)
        return min((time for time in first if time is not None), default=None)

    def _first(self, name, since, event, **fields):
        entries = self.gate.log.find(event, backend=self.place(name), **fields)
        times = ((datetime.datetime.fromisoformat(entry["time"]) - since).total_seconds()
                 for entry in entries)
        return min((time for time in times if time >= 0), default=None)


@contextlib.contextmanager
def running(headgate, pool):
    with contextlib.ExitStack() as stack:
        yield Farm(headgate, stack, pool)
