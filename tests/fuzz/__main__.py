"""Tries damaged videos and prints a table of what became of them.

    python -m tests.fuzz 10000 [--first 0] [--folder DIR]

DIR keeps a journal (one line of JSON an input): run the command again with the same folder and it continues. Inputs
with an outcome that must not be, and those that took very long, are kept there as well. The status is 1 if any outcome
was wrong: another error than a MediaError, or a process, file, thread or shared memory that stayed behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.harness import Harness, Outcome, Wrong

SLOW_SECONDS = 20.0
JOURNAL = "journal.jsonl"


def table(outcomes: list[Outcome]) -> str:
    """Rows: containers; columns: outcomes; both by how frequent they are."""
    columns = [name for name, _ in Counter(o.result for o in outcomes).most_common()]
    containers = [name for name, _ in Counter(o.seed.split()[0] for o in outcomes).most_common()]
    counted = Counter((o.seed.split()[0], o.result) for o in outcomes)
    lines = [["container", "inputs", *columns], ["---"] + ["---:"] * (len(columns) + 1)]
    for container in containers:
        row = [counted[container, column] for column in columns]
        lines.append([container, str(sum(row)), *map(str, row)])
    totals = Counter(o.result for o in outcomes)
    lines.append(["all", str(len(outcomes)), *(str(totals[column]) for column in columns)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def read_journal(path: Path) -> list[Outcome]:
    if not path.exists():
        return []
    return [Outcome(**json.loads(line)) for line in path.read_text().splitlines()]


def run(count: int, first: int, folder: Path) -> list[Outcome]:
    journal = folder / JOURNAL
    outcomes = read_journal(journal)
    done = {outcome.number for outcome in outcomes}
    with journal.open("a") as lines:
        harness = Harness(folder)
        for number in range(first, first + count):
            if number in done:
                continue
            try:
                outcome = harness.attempt(number)
            except Wrong as wrong:
                name, damage, _ = harness.input(number)
                outcome = Outcome(number, name, damage, f"WRONG: {str(wrong)[:300]}", 0.0)
                for left in harness.work.iterdir():
                    left.unlink()
                harness = Harness(folder)  # what else is left behind is told once
            if outcome.result.startswith("WRONG") or outcome.seconds > SLOW_SECONDS or "crash" in outcome.result:
                (folder / f"kept-{number}").write_bytes(harness.input(number)[2])
            outcomes.append(outcome)
            lines.write(json.dumps(asdict(outcome)) + "\n")
            lines.flush()
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--folder", type=Path, help="journal and kept inputs; a folder of its own")
    options = parser.parse_args()
    os.nice(19)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="vsearch-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = run(options.count, options.first, folder)
    print(table([o for o in outcomes if not o.result.startswith("WRONG")]))
    print(f"longest: {max(o.seconds for o in outcomes)} s; journal: {folder / JOURNAL}")
    wrong = [o for o in outcomes if o.result.startswith("WRONG")]
    for outcome in wrong:
        print(f"{outcome.number} {outcome.seed} {outcome.damage}: {outcome.result}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
