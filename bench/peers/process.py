"""A proxy under measurement: its directory, its processes, its core and its control group."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

CGROUP = pathlib.Path("/sys/fs/cgroup")


def free_port():
    """A port that nobody listens on now; peers are started one at a time, so it stays free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, seconds=15):
    """Until something accepts on the port; raises when the process ends or the time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode} before it listened")
        time.sleep(0.05)
    raise RuntimeError(f"does not listen on port {port} after {seconds} s")


class ControlGroup:
    """CPU accounting in nanoseconds, and kernel memory where the kernel has it (version 1); nothing
    where the process may not make control groups: then the process tree is counted."""

    def __init__(self, name):
        self.directories = []
        self.cpu = self.memory = None
        if (CGROUP / "cgroup.controllers").exists():
            self.cpu = self._make(CGROUP / name)
        else:
            self.cpu = self._make(CGROUP / "cpuacct" / name)
            self.memory = self._make(CGROUP / "memory" / name)

    def _make(self, directory):
        try:
            directory.mkdir()
        except OSError:
            return None
        self.directories.append(directory)
        return directory

    def enter(self):
        """In the child, before exec."""
        for directory in self.directories:
            (directory / "cgroup.procs").write_text(str(os.getpid()))

    def members(self):
        if self.cpu is None:
            return []
        return [int(pid) for pid in (self.cpu / "cgroup.procs").read_text().split()]

    def remove(self):
        for directory in self.directories:
            for _ in range(100):
                try:
                    directory.rmdir()
                    break
                except OSError:
                    time.sleep(0.05)


class Peer:
    """One proxy. Subclasses say its name and how it is configured and started."""

    name = ""
    speaks_imap = True  # else it only carries bytes: a reference
    most_sessions = 10_000  # more it cannot hold, or not in bearable time
    held_sessions = 1_000  # when memory is measured
    both_cores = False  # also the one of the load generator and the backend
    program = ""  # what must be installed
    package = ""

    def __init__(self, bench):
        self.bench = bench  # backend_port, certificate, key, directory, proxy_core
        self.directory = bench.directory / self.name.replace(" ", "-").replace(",", "")
        self.port = free_port()
        self.process = None
        self.group = None

    @classmethod
    def missing(cls):
        """Why it cannot be measured here, or None."""
        if shutil.which(cls.program, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            return f"{cls.program} is not installed (Debian package {cls.package})"
        return None

    def version(self):
        raise NotImplementedError

    def command(self):
        """Writes the configuration into self.directory; returns the command that runs the proxy in
        the foreground."""
        raise NotImplementedError

    def write(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def start(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        command = self.command()
        self.group = ControlGroup(f"headgate-bench-{os.getpid()}-{self.directory.name}")
        with open(self.directory / "output.log", "wb") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                ["taskset", "-c", self.cores(), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                start_new_session=True, preexec_fn=self.group.enter)
        try:
            wait_for_port(self.port, self.process)
        except RuntimeError as error:
            self.stop()
            output = (self.directory / "output.log").read_text(errors="replace")
            raise RuntimeError(f"{self.name}: {error}\n{output[-2000:]}") from error

    def cores(self):
        """As taskset wants them."""
        own = str(self.bench.proxy_core)
        return f"{own},{self.bench.other_core}" if self.both_cores else own

    @contextlib.contextmanager
    def running(self):
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def meter(self):
        """The load generator's --meter for this proxy."""
        if self.group.cpu is not None:
            return ["--meter", f"cgroup:{self.group.cpu}"]
        return ["--meter", f"tree:{self.process.pid}"]

    def kernel_meter(self):
        return ["--kernel-memory", str(self.group.memory)] if self.group.memory else []

    def stop(self):
        """Ends every process of the proxy: those of its control group, or of its process group."""
        if self.process is None:
            return
        for last in (signal.SIGTERM, signal.SIGKILL):
            for pid in set(self.group.members()) | {self.process.pid}:
                try:
                    os.kill(pid, last)
                except ProcessLookupError:
                    pass
            try:
                os.killpg(self.process.pid, last)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(3)
                if not self.group.members():
                    break
            except subprocess.TimeoutExpired:
                pass
        self.process.wait()
        self.process = None
        self.group.remove()


def output_of(command):
    """What a version command says, wherever it says it."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    return done.stdout
