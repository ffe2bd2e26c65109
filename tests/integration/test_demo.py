"""The demo proves itself, and what it starts ends with it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from headgate_process import REPOSITORY, binary
from server_process import group_members
import pytest

pytestmark = pytest.mark.servers

TIMEOUT = 120


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [REPOSITORY / "scripts/demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HEADGATE": str(binary())},
        start_new_session=True,
        # As a terminal's child has it: whatever started the tests may ignore Ctrl-C, and a shell
        # that was started so cannot be interrupted.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def test_the_check_passes() -> None:
    demo = start("--check")
    output, _ = demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0, output
    verdicts = re.findall(r"^(ok|FAILED) ", output, re.MULTILINE)
    assert verdicts == ["ok"] * 7, output


def test_ctrl_c_stops_everything_that_was_started() -> None:
    demo = start()
    assert demo.stdout is not None
    said = ""
    while "Ctrl-C stops everything" not in said:
        line = demo.stdout.readline()
        assert line, f"the demo ended by itself:\n{said}"
        said += line
    configuration = re.search(r"Configuration: (\S+)/headgate.yaml", said)
    assert configuration, said
    directory = Path(configuration[1])
    groups = _groups_that_mention(directory)
    assert len(groups) == 4, "three mail servers and Headgate"
    os.kill(demo.pid, signal.SIGINT)
    demo.communicate(timeout=TIMEOUT)
    assert demo.returncode == 0
    deadline = time.monotonic() + 5
    while (
        left := [pid for group in groups for pid in group_members(group)]
    ) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left and not directory.exists()


def test_what_it_prints_can_be_pasted() -> None:
    demo = start()
    assert demo.stdout is not None
    said = ""
    try:
        while "Ctrl-C stops everything" not in said:
            line = demo.stdout.readline()
            assert line, f"the demo ended by itself:\n{said}"
            said += line
        commands = [line.strip() for line in said.splitlines() if line.startswith("  curl ")]
        assert len(commands) == 4
        for command in commands:
            done = subprocess.run(
                command, shell=True, capture_output=True, text=True, timeout=30, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"
            assert done.stdout
        dialogues = [line.strip() for line in said.splitlines() if line.startswith("  openssl ")]
        assert len(dialogues) == 2
        for command in dialogues:
            done = subprocess.run(
                command,
                shell=True,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
                input="a LOGIN ada@example.org headgate\nb SELECT INBOX\nc LOGOUT\n",
            )
            assert (
                "a OK" in done.stdout and "c OK" in done.stdout
            ), f"{command}\n{done.stdout}{done.stderr}"
    finally:
        os.kill(demo.pid, signal.SIGINT)
        demo.communicate(timeout=TIMEOUT)


def _groups_that_mention(directory: Path) -> set[int]:
    """The process groups with a command line that names this directory."""
    groups = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(directory).encode() in path.read_bytes():
                groups.add(os.getpgid(int(path.parent.name)))
        except OSError:
            continue
    return groups
