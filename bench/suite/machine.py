"""The instruments and the machine: programs, certificate, backend, cores, versions."""

import json
import os
import pathlib
import platform
import re
import subprocess

from peers.process import free_port, output_of, wait_for_port

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Bench:
    """Everything the peers and the works share; a context that starts and stops the backend."""

    def __init__(self, build, directory):
        self.directory = directory
        self.headgate = build / "headgate"
        self.load_program = build / "bench" / "headgate-load"
        self.backend_program = build / "bench" / "headgate-bench-backend"
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_core = cores[0]
        self.other_core = cores[-1]
        self.certificate = directory / "certificate.pem"
        self.key = directory / "key.pem"
        self.backend_port = None
        self.backend = None

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.certificate.exists():
            self._make_certificate()
        self.backend_port = free_port()
        self.backend = subprocess.Popen(  # pylint: disable=consider-using-with
            ["taskset", "-c", str(self.other_core), str(self.backend_program),
             "--port", str(self.backend_port)], stdout=subprocess.DEVNULL)
        wait_for_port(self.backend_port, self.backend)
        return self

    def __exit__(self, *_):
        self.backend.terminate()
        self.backend.wait()

    def _make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "3650", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", str(self.key), "-out", str(self.certificate)],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def load(self, port, arguments, tls="implicit"):
        """One run of the load generator; its JSON object. Its failures are in `failures`."""
        command = ["taskset", "-c", str(self.other_core), str(self.load_program), *arguments,
                   "--port", str(port), "--tls", tls, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, timeout=600)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)


def git_commit():
    done = subprocess.run(["git", "-C", str(ROOT), "describe", "--always", "--dirty"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    return done.stdout.strip() or "unknown"


def describe_machine():
    """What a reader must know of the machine, by name."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    release = pathlib.Path("/etc/os-release").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    megahertz = re.search(r"cpu MHz\s*: (.*)", cpuinfo)
    return {
        "processor": model.group(1) if model else platform.machine(),
        "megahertz": float(megahertz.group(1)) if megahertz else 0,
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "codename": re.search(r"VERSION_CODENAME=(.*)", release).group(1),
        "system": re.search(r'PRETTY_NAME="(.*)"', release).group(1),
        "openssl": output_of(["openssl", "version"]).split()[1],
    }


def describe_load():
    """Whether the machine had others to serve just before: what a reader must know of latencies."""
    busy = os.getloadavg()[0]
    return f"load average before it {busy:.1f}" + (", so others were at work too" if busy > 0.5 else "")
