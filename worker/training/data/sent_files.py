"""The files that people send for a dataset, line by line, before anything of them is checked."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from worker.training.data.items import ManifestError

Line = dict[str, Any]


def json_lines(path: Path) -> Iterator[Line | str]:
    """Objects, and the text of lines that are none: the manifest's own reader says what is wrong with them."""
    with path.open(encoding="utf-8") as file:
        for text in file:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = text
            yield value if isinstance(value, dict) else text.rstrip("\n")


def _rows(file: TextIO, dialect: type[csv.Dialect]) -> Iterator[dict[Any, Any]]:
    rows = csv.DictReader(file, dialect=dialect)
    try:
        yield from rows
    except csv.Error as error:  # most often a quotation mark that is never closed
        raise ManifestError(
            "schema", f"Line {rows.line_num} of the table cannot be read ({error}). Look for a quotation mark too many."
        ) from error


def csv_lines(path: Path, dialect_of: Callable[[str], type[csv.Dialect]]) -> Iterator[Line]:
    """Rows of one video are one line; the columns are video, caption(s), id, group and weight.

    ``dialect_of`` tells it from the first line. Raises ManifestError for a table that cannot be read to its end.
    """
    with path.open(encoding="utf-8", newline="") as file:
        dialect = dialect_of(file.readline())
        file.seek(0)
        found: dict[tuple[str, str], Line] = {}  # one id with two videos stays two lines: the reader says "duplicate"
        for row in _rows(file, dialect):
            values = {(name or "").strip().lower(): (text or "").strip() for name, text in row.items() if name}
            caption, video = values.get("caption") or values.get("captions", ""), values.get("video", "")
            line = found.setdefault(
                (values.get("id") or video or f"row {len(found) + 1}", video),
                {"id": values.get("id") or video, "video": video, "captions": []},
            )
            if caption and caption not in line["captions"]:
                line["captions"].append(caption)
            if values.get("group"):
                line["group"] = values["group"]
            try:
                if values.get("weight"):
                    line["weight"] = float(values["weight"])
            except ValueError:
                line["weight"] = values["weight"]  # the manifest's reader names it
    yield from found.values()
