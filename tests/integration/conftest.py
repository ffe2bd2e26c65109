"""Fixtures of all integration tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certificates import Authority, Certificate
from dns_server import DnsServer
from headgate_process import Headgate
from proxied import proxied

__all__ = ["proxied"]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA made for this run."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def certificate(authority: Authority) -> Certificate:
    """A server certificate for localhost, imap.example.org and 127.0.0.x."""
    return authority.issue("server")


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """A name server of the test's own."""
    server = DnsServer()
    yield server
    server.close()


@pytest.fixture
def start_headgate(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Headgate]]:
    """start_headgate(config) → a running Headgate, stopped (asserted) after the test."""
    started: list[Headgate] = []
    numbers = itertools.count(1)

    def start(config: dict[str, Any]) -> Headgate:
        gate = Headgate(tmp_path / f"headgate-{next(numbers)}", config)
        started.append(gate)
        return gate.start()

    yield start
    try:
        for gate in started:
            gate.stop()
    finally:
        for gate in started:
            gate.kill()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that say RUN_LAST come last: what is quick to fail should fail first."""
    items.sort(key=lambda item: getattr(getattr(item, "module", None), "RUN_LAST", False))
