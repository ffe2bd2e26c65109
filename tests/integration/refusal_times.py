"""Whether the time of a refusal tells who exists."""

import statistics
import time

# A hash that takes some tens of milliseconds, of a password that no test knows.
SLOW_HASH = "{BLF-CRYPT}$2y$10$abcdefghijklmnopqrstuuW8MgPTpmvnTnXmKLlwCN8c1kkYc/jVS"
ROUNDS = 15


def assert_they_tell_nothing(client, known, unknown, password="wrong"):
    """`client` is logged in as neither. Both users in turns, so that a busy machine is busy for both."""
    times = {known: [], unknown: []}
    client.login(known, password)  # the first one connects to where users are kept
    for _ in range(ROUNDS):
        for user, measured in times.items():
            began = time.monotonic()
            assert client.login(user, password).startswith(b"NO [AUTHENTICATIONFAILED]")
            measured.append(time.monotonic() - began)
    one, other = (statistics.median(measured) for measured in times.values())
    print(f"{known}: {one * 1e3:.2f} ms, {unknown}: {other * 1e3:.2f} ms")
    # Some times what a refusal without a hash takes, and less than the hash does on a fast processor.
    assert one > 0.005, "the hash costs nothing: the test measures nothing"
    assert 0.7 < other / one < 1.4, (one, other)
