"""scripts/demo --check: proves what the demo promises, one line a check."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable

import sample_mail
from demo.stage import PASSWORD, Stage
from headgate_process import Metrics
from scenarios.device import Device

LISTENERS = ("imaps", "imap")
READERS_PER_SERVER = 2
PATIENCE = 20.0


class Check:
    """Runs the checks against a stage that stands, and counts."""

    def __init__(self, stage: Stage):
        self.stage = stage
        self.failed = 0
        self.logins = 0

    def run(self) -> None:
        """All checks that need the stage standing. The order matters: the last one adds up."""
        self._prove(self.everybody_finds_their_mail)
        self._prove(self.users_are_spread)
        self._prove(self.mail_is_the_same_byte_for_byte)
        self._prove(self.a_second_session_goes_where_the_first_is)
        self._prove(self.a_wrong_password_is_refused)
        self._prove(self.metrics_agree)

    def after_the_end(self) -> None:
        """What only shows once the stage has been stopped."""
        self._prove(self.nothing_is_left)

    def _prove(self, check: Callable[[], str]) -> None:
        started = time.monotonic()
        try:
            found = check()
        except Exception as error:  # whatever goes wrong is this check's failure, not the program's
            self.failed += 1
            print(
                f"FAILED {check.__name__.replace('_', ' ')}: {type(error).__name__}: {error}",
                flush=True,
            )
        else:
            print(f"ok {found} ({time.monotonic() - started:.1f} s)", flush=True)

    def _device(self, user: str, listener: str) -> Device:
        device = Device(self.stage.endpoint(listener), user, PASSWORD)
        self.logins += 1
        return device

    def everybody_finds_their_mail(self) -> str:
        for number, user in enumerate(self.stage.users):
            device = self._device(user, LISTENERS[number % 2])
            try:
                count = len(
                    sample_mail.files_of(self.stage.home(user).mail_directory(user), "INBOX")
                )
                selected = device.select(readonly=True)[1]
                assert selected == [
                    str(count).encode()
                ], f"{user} found {selected} instead of {count}"
            finally:
                device.end()
        ports = " and ".join(str(self.stage.gate.port(listener)) for listener in LISTENERS)
        return f"all {len(self.stage.users)} users log in over ports {ports} and find their mail"

    def users_are_spread(self) -> str:
        counts = Counter()
        for backend, server in self.stage.servers.items():
            expected = self.stage.users_of(backend)
            for user in self.stage.users:
                logged_in = bool(server.logins(user))
                assert logged_in == (
                    user in expected
                ), f"{user} {'was' if logged_in else 'was not'} on {server.name}"
            counts[server.name] = len(expected)
        assert min(counts.values()) > 0, f"one server has nobody: {counts}"
        spread = ", ".join(f"{count} on {name}" for name, count in counts.items())
        return f"users are spread as `headgate explain` said, by the servers' own logs: {spread}"

    def mail_is_the_same_byte_for_byte(self) -> str:
        messages = size = 0
        for backend in self.stage.servers:
            for number, user in enumerate(self.stage.users_of(backend)[:READERS_PER_SERVER]):
                for content in self._all_mail(user, LISTENERS[number % 2]):
                    messages += 1
                    size += content
        found = f"{messages} messages, {size / 1e6:.0f} MB,"
        return f"{found} are byte for byte what lies on the servers' disks"

    def _all_mail(self, user: str, listener: str) -> list[int]:
        """Compares every folder of a user with its files; returns the messages' sizes."""
        maildir = self.stage.home(user).mail_directory(user)
        sizes: list[int] = []
        device = self._device(user, listener)
        try:
            for folder, _ in sample_mail.FOLDERS:
                device.received.clear()
                status, data = device.select(
                    f'"{sample_mail.modified_utf7(folder)}"', readonly=True
                )
                assert status == "OK", f"{user} cannot select {folder}: {data}"
                status, data = device.fetch("1:*", "BODY.PEEK[]")
                assert status == "OK", f"{user} cannot fetch {folder}: {data}"
                found = [part[1] for part in data if isinstance(part, tuple)]
                files = [path.read_bytes() for path in sample_mail.files_of(maildir, folder)]
                assert _digests(found) == _digests(
                    files
                ), f"{user}'s {folder} is not what lies on disk"
                sizes += map(len, found)
        finally:
            device.end()
        return sizes

    def a_second_session_goes_where_the_first_is(self) -> str:
        for backend, server in self.stage.servers.items():
            user = self.stage.users_of(backend)[0]
            before = len(server.logins(user))
            devices = [self._device(user, listener) for listener in LISTENERS]
            try:
                self.stage.gate.wait_for_metrics(
                    lambda metrics, backend=backend: _sessions_by_backend(metrics)
                    == {place: 2 if place == backend else 0 for place in self.stage.servers}
                )
                assert server.who().get(user) == 2, f"{server.name} has {server.who()}"
                assert len(server.logins(user)) == before + 2
            finally:
                for device in devices:
                    device.end()
            self.stage.gate.wait_for_metrics(
                lambda metrics: sum(_sessions_by_backend(metrics).values()) == 0
            )
        return "a user's second session, over the other port, is on the same server as the first"

    def a_wrong_password_is_refused(self) -> str:
        user = self.stage.users[0]
        device = Device(self.stage.endpoint("imaps"), user, PASSWORD, login=False)
        try:
            device.login(user, "not the password")
        except Device.error as error:
            assert "[AUTHENTICATIONFAILED]" in str(error), f"the reply was {error}"
        else:
            raise AssertionError("it was accepted")
        finally:
            device.end()
        return "a wrong password is refused with [AUTHENTICATIONFAILED]"

    def metrics_agree(self) -> str:
        metrics = self.stage.gate.wait_for_metrics(lambda m: m.value("headgate_sessions") == 0)
        counted = metrics.value("headgate_logins_total", result="ok")
        assert counted == self.logins, f"{self.logins} logins were made, {counted:.0f} counted"
        refused = metrics.value("headgate_logins_total") - counted
        assert refused == 1, f"1 login was refused, {refused:.0f} counted"
        assert sum(_sessions_by_backend(metrics).values()) == 0
        ends = self.stage.gate.session_ends(self.logins + 1)
        assert metrics.value("headgate_session_ends_total") == len(ends)
        for direction in ("to_backend", "to_client"):
            logged = sum(end.get(f"bytes_{direction}", 0) for end in ends)
            relayed = metrics.value("headgate_relayed_bytes_total", direction=direction)
            assert (
                relayed == logged > 0
            ), f"{relayed:.0f} bytes {direction} counted, {logged} logged"
        total = metrics.value("headgate_relayed_bytes_total")
        found = f"{self.logins} logins, 1 refused, {total / 1e6:.0f} MB relayed, no session left"
        return f"metrics agree: {found}"

    def nothing_is_left(self) -> str:
        leftovers = self.stage.leftovers()
        assert not leftovers, "; ".join(leftovers)
        return "everything stopped: no process, no port and no file is left"


def _digests(contents: list[bytes]) -> list[str]:
    return sorted(hashlib.sha256(content).hexdigest() for content in contents)


def _sessions_by_backend(metrics: Metrics) -> dict[str, int]:
    return {
        labels["backend"]: int(value)
        for labels, value in metrics.matching("headgate_backend_sessions")
    }
