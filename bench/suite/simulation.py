"""A simulated day of a big pool: who moves, how even the load is, what decisions cost."""

import json
import subprocess

from .machine import ROOT
from .rotation import say
from .tables import replace_between

PROPERTIES = ROOT / "docs" / "balancing.md"


def events_table(result):
    lines = ["| event | times | users moved | must move | ratio |", "| --- | ---: | ---: | ---: | ---: |"]
    for event in result["events"]:
        moved, least = event["moved"], event["least"]
        lines.append(f"| {event['event']} | {event['times']} | {moved * 100:.4f} % | {least * 100:.4f} % | "
                     f"{moved / least:.3f} |")
    return "\n".join(lines) + "\n"


def policies_table(result):
    lines = ["| policy | fullest backend, by its share | ns a login |", "| --- | ---: | ---: |"]
    for spread in result["spreads"]:
        bound = f", load_bound {spread['load_bound']}" if spread["load_bound"] else ""
        lines.append(f"| {spread['policy']}{bound} | {spread['over_mean']:.3f} | {spread['decision_ns']:.0f} |")
    return "\n".join(lines) + "\n"


def text_of(result):
    table = result["user_table"]
    return (f"{result['users']:,} users on {result['backends']} backends of three weights; all are placed anew after "
            "each event of a day, by `user_hash`. What must move is the share of the weights that the event "
            "changed.\n\n" + events_table(result) +
            f"\nAt no time had a backend more than {result['users_over_mean']:.3f} times its share of the users. A "
            f"decision took {result['decision_ns']:.0f} ns of CPU and allocated nothing; it reads "
            f"{result['set_bytes'] / 1024:.1f} KiB that all workers share.\n\n"
            f"{result['users'] // 10:,} users log in one after the other and stay:\n\n" + policies_table(result) +
            f"\nThe user table, {table['users']:,} users with a session each: {table['login_ns']:.0f} ns a login, "
            f"{table['end_ns']:.0f} ns at its end, {table['bytes']:.0f} bytes a user.\n")


SIZES = (3, 30, 300)


def by_size(rows, key, cell):
    """A table line for each value of `key`, with a cell for each number of backends."""
    lines = []
    for name in dict.fromkeys(key(row) for row in rows):
        cells = [cell(row) for size in SIZES for row in rows if key(row) == name and row["backends"] == size]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def properties_text(result):
    figures = result["properties"]
    head = "| {} | " + " | ".join(f"{size} backends" for size in SIZES) + " |\n| --- | ---: | ---: | ---: |\n"
    chance = " | ".join(f"{3 * (1.5 * size / figures['users']) ** 0.5 * 100:.2f} %" for size in SIZES)
    return (f"{figures['users']:,} users on backends of three weights. The largest deviation of a backend's users from "
            "what its weight says:\n\n" + head.format("policy") +
            by_size(figures["shares"], lambda row: row["policy"], lambda row: f"{row['deviation'] * 100:.2f} %") +
            f"| (three standard deviations of chance, lightest backend) | {chance} |\n"
            "\nUsers that a change moves, by those that it must move; the other policies do not go by who asks, their users "
            "stay by their sessions:\n\n" + head.format("policy, change") +
            by_size(figures["movement"], lambda row: f"{row['policy']}, {row['change']}",
                    lambda row: f"{row['moved'] / row['least']:.3f} ({row['moved'] * 100:.2f} %)") +
            "\nThe fullest backend by its share, with `user_hash` and a bound:\n\n" + head.format("load_bound") +
            by_size(figures["bounds"], lambda row: row["load_bound"], lambda row: f"{row['highest']:.4f}"))


def run(build, quick):
    program = build / "bench" / "headgate-simulation"
    arguments = ["--users", "200000"] if quick else []
    say("simulation: this takes a minute or two")
    result = json.loads(subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout)
    text = text_of(result)
    properties = properties_text(result)
    print(text + "\n" + properties)
    replace_between("simulation", text)
    replace_between("properties", properties, PROPERTIES)
    return result
