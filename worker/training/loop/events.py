"""The course of a run: TensorBoard event files for people with TensorBoard, curve.jsonl for everything else.

Both continue after a kill. A line that a kill tore is dropped; points after the step to resume from are dropped too,
since the run will pass there again.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tensorboardX import SummaryWriter

CURVE_FILE = "curve.jsonl"
FLUSH_SECONDS = 10

Point = dict[str, float]


def read_curve(file: Path) -> list[Point]:
    """Points in the order of their steps; several of one step are one (the later value of a name wins).

    A torn last line is ignored, a broken one elsewhere raises ValueError. Values that were not finite are left out.
    No file, no points.
    """
    if not file.exists():
        return []
    lines = file.read_bytes().split(b"\n")
    points: dict[int, Point] = {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last line break is torn, or empty
        if not line.strip(b"\0 "):  # a machine that lost power can leave zeros
            continue
        try:
            values = json.loads(line)
            point = {str(name): float(value) for name, value in values.items() if value is not None}
            points.setdefault(int(point["step"]), {}).update(point)
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: not a point of a curve ({error})") from error
    return [points[step] for step in sorted(points)]


def _line(point: Mapping[str, float]) -> str:
    # JSON has no NaN: browsers refuse a file that holds one.
    clean = {name: value if math.isfinite(value) else None for name, value in point.items()}
    return json.dumps(clean) + "\n"


def cut_curve(file: Path, resume_step: int) -> None:
    """Leave the points up to ``resume_step``, whole or not at all."""
    kept = [point for point in read_curve(file) if point["step"] <= resume_step]
    fresh = file.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as handle:
        handle.writelines(_line(point) for point in kept)
        handle.flush()
        os.fsync(handle.fileno())
    fresh.replace(file)


class EventLog:
    """Appends points to ``folder``. One process writes it: with several, the first.

    ``resume_step`` is the number of steps done: points beyond it are forgotten, in TensorBoard by its purge mark.
    """

    def __init__(self, folder: Path, *, resume_step: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / CURVE_FILE
        cut_curve(self.file, resume_step)
        purge = resume_step + 1 if resume_step else None
        # The writer's own file names change once a second; two in one second must not share a file.
        suffix = f".{os.getpid()}.{time.time_ns()}"
        self._board = SummaryWriter(
            str(folder), purge_step=purge, flush_secs=FLUSH_SECONDS, filename_suffix=suffix, write_to_disk=True
        )
        # Line buffering: each point is handed to the system whole, so a kill loses at most the line in the making.
        self._curve = self.file.open("a", encoding="utf-8", buffering=1)

    def add(self, point: Mapping[str, float]) -> None:
        """``point`` holds "step" and any other numbers; names with an underscore such as t2v_r1 become t2v/r1."""
        step = int(point["step"])
        self._curve.write(_line(point))
        for name, value in point.items():
            if name != "step" and math.isfinite(value):
                self._board.add_scalar(name.replace("_", "/", 1), value, step)

    def flush(self) -> None:
        """Before a checkpoint: what TensorBoard is to show up to there is then on disk (the curve always is)."""
        self._board.flush()

    def close(self) -> None:
        self._curve.close()
        self._board.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
