"""docs/performance.md and its like: only what stands between the markers is the script's."""

import datetime

from peers.catalogue import PEERS

from .machine import ROOT, describe_machine, git_commit
from .rotation import figures, median_and_spread
from .works import BY_NAME

DOCUMENT = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"
# Those that do the same job, and what most machines are bought for.
README_PEERS = ("headgate", "nginx", "dovecot", "perdition")
README_WORKS = ("login", "resumed", "fetch", "fetch16k", "append", "noop64", "noop1000", "latency", "idle")


def replace_between(name, text, path=DOCUMENT):
    """Writes `text` between <!-- begin NAME --> and <!-- end NAME --> of the document."""
    document = path.read_text()
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
    if begin not in document or end not in document:
        raise RuntimeError(f"{path} has no place for {name}")
    head, rest = document.split(begin, 1)
    path.write_text(head + begin + text + end + rest.split(end, 1)[1])


def cell(results, work):
    values = figures(results, work)
    if not values:
        return "–"
    middle, spread = median_and_spread(values)
    text = f"{middle:.{work.digits}f}"
    return f"{text} ±{spread * 100:.0f} %" if len(values) > 1 else text


def main_table(results):
    """A row a work, a column a peer."""
    peers = list(results)
    titles = [PEERS[name].name + ("" if PEERS[name].speaks_imap else " (no IMAP)") for name in peers]
    lines = ["| work | " + " | ".join(titles) + " |", "| --- |" + " ---: |" * len(peers)]
    for work in next(iter(results.values())):
        cells = [cell(results[name][work], BY_NAME[work]) for name in peers]
        lines.append(f"| {BY_NAME[work].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def ratio_table(results):
    """Headgate against nginx mail and against the best of all others, by work."""
    lines = ["| work | × nginx mail | × the best of all others | which |", "| --- | ---: | ---: | --- |"]
    for name in next(iter(results.values())):
        work = BY_NAME[name]
        medians = {peer: median_and_spread(figures(works[name], work))[0]
                   for peer, works in results.items() if figures(works[name], work)}
        own = medians.pop("headgate", None)
        if own is None or not medians:
            continue
        best = min(medians, key=medians.get)
        nginx = f"{own / medians['nginx']:.2f}" if "nginx" in medians else "–"
        lines.append(f"| {work.title} | {nginx} | {own / medians[best]:.2f} | {PEERS[best].name} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def date_and_machine():
    machine = describe_machine()
    today = datetime.date.today().isoformat()
    clock = f" at {machine['megahertz'] / 1000:.1f} GHz" if machine["megahertz"] else ""
    return (f"{today}, commit {git_commit()}; {machine['processor']}{clock}, "
            f"{machine['cores']} cores; Linux {machine['kernel']}, {machine['system']}, "
            f"OpenSSL {machine['openssl']}")


def conditions(versions, rounds):
    found = ", ".join(f"{PEERS[name].name} {version}" for name, version in versions.items())
    return (f"{date_and_machine()}; {found}. Medians of {rounds} rounds; ± is half the range "
            "of the rounds.\n\n")


def place_of_the_main_table():
    """Debian 12 is what is published first; each other release has a place of its own."""
    codename = describe_machine()["codename"]
    return "table" if codename == "bookworm" else f"table {codename}"


def write_main(results, versions, rounds):
    text = conditions(versions, rounds) + main_table(results)
    ratios = ratio_table(results)
    if ratios:
        text += "\nHeadgate's share of the others' cost (below 1: cheaper):\n\n" + ratios
    replace_between(place_of_the_main_table(), text)
    if place_of_the_main_table() == "table":
        write_short(results)
    return text


def write_short(results):
    """The README's table, where the run has all of it."""
    works = next(iter(results.values()))
    if all(name in results for name in README_PEERS) and all(name in works for name in README_WORKS):
        short = {name: {work: results[name][work] for work in README_WORKS} for name in README_PEERS}
        replace_between("performance", main_table(short), README)
