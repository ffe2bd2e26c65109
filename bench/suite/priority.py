"""Latencies that are the proxy's: the load generator and the backend share a core, and would keep each other
waiting. Here who measures goes before the backend, and the backend before all else on that core (SCHED_FIFO)."""

import contextlib
import json
import pathlib
import subprocess

MEASURING, SERVING = "2", "1"


@contextlib.contextmanager
def served_first(bench):
    """The backend goes before everything but who measures."""
    pid = str(bench.backend.pid)
    subprocess.run(["chrt", "--fifo", "--pid", SERVING, pid], check=True)
    try:
        yield
    finally:
        subprocess.run(["chrt", "--other", "--pid", "0", pid], check=True)


def proxied_first(peer):
    """The proxy goes before everything on its core, whatever else the machine does there; processes and threads that
    it makes from now on as well."""
    for pid in peer.group.members() or [peer.process.pid]:
        changed = subprocess.run(["chrt", "--all-tasks", "--fifo", "--pid", SERVING, str(pid)], stderr=subprocess.PIPE,
                                 check=False, text=True)
        if changed.returncode != 0 and pathlib.Path(f"/proc/{pid}").exists():  # else it was gone already
            raise RuntimeError(changed.stderr)


def load_command(bench, port, tls, *arguments):
    return ["taskset", "-c", str(bench.other_core), str(bench.load_program), *arguments,
            "--port", str(port), "--tls", tls, "--json"]


def measured_first(bench, port, tls, *arguments):
    """One run of the load generator, before everything else on its core; its JSON object."""
    done = subprocess.run(["chrt", "--fifo", MEASURING, *load_command(bench, port, tls, *arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, text=True)
    if done.returncode not in (0, 1):
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)
