"""A simulated day of a big pool: who moves, how even the load is, what decisions cost."""

import json
import subprocess

from .rotation import say
from .tables import replace_between


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


def run(build, quick):
    program = build / "bench" / "headgate-simulation"
    arguments = ["--users", "200000"] if quick else []
    say("simulation: this takes a minute or two")
    result = json.loads(subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout)
    text = text_of(result)
    print(text)
    replace_between("simulation", text)
    return result
