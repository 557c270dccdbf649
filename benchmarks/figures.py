"""The figures that a benchmark hands to ``python -m benchmarks``, which puts those of all into one table."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

VARIABLE = "VSEARCH_BENCH_FIGURES"  # names the file that collects them; without it nothing is written


@dataclass(frozen=True)
class Figure:
    """``value`` in ``unit`` beside what ``baseline`` reached in the same run."""

    what: str
    value: float
    unit: str
    baseline: str
    against: float

    def row(self) -> str:
        ratio = f"{self.value / self.against:.2f}" if self.against else "-"
        return f"{self.what} | {self.unit} | {self.value:.4g} | {self.baseline} | {self.against:.4g} | {ratio}"


def hand_over(*figures: Figure) -> None:
    if file := os.environ.get(VARIABLE):
        with Path(file).open("a", encoding="utf-8") as out:
            out.writelines(json.dumps(asdict(figure)) + "\n" for figure in figures)


def collected(file: Path) -> list[Figure]:
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [Figure(**json.loads(line)) for line in lines]
