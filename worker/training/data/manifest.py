"""Manifests: which videos (or lists of frames) go with which captions; UTF-8 JSON lines, one item a line.

    {"id": "clip-1", "video": "clips/1.mp4", "captions": ["a dog runs"]}
    {"id": "photo-7", "frames": ["7/a.jpg", "7/b.jpg"], "captions": ["..."], "group": "walk", "weight": 0.3}

Relative paths count from the manifest's folder. A faulty line becomes a Problem and the others stay usable; a faulty
file raises ManifestError with what to do. ``worker.training.sources`` makes manifests of other formats.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from worker.training.data.formats import guess_format
from worker.training.data.items import Fault, Item, ManifestError, Problem
from worker.training.data.manifest_lines import EXAMPLE, line_id, line_item, parsed_line
from worker.training.data.text_files import decoded, open_text

MAX_LINE_BYTES = 4 * 1024 * 1024
HOPELESS_LINES = 1000  # so many and none like an item: the rest need not be read


def read_manifest(path: Path) -> tuple[list[Item], list[Problem]]:
    """The items in file order, and what is wrong with other lines. Looks whether the media exist, opens none.

    Raises ManifestError: missing, unreadable, encoding, schema, empty_data.
    """
    path = Path(path)
    folder = Path(os.path.abspath(path)).parent
    items: list[Item] = []
    problems: list[Problem] = []
    first_line: dict[str, int] = {}
    lines = alike = 0  # lines with content; those of them that have a key of a manifest
    for number, line in _lines(path):
        lines += 1
        name = ""
        try:
            values = parsed_line(line)
            name = line_id(values)
            alike += bool({"video", "frames", "captions"} & values.keys())
            if not name:
                raise Fault("id", '"id" is missing: a text that no other line has.')
            if name in first_line:
                raise Fault("duplicate", f"The id is already that of line {first_line[name]}; every id can occur only once.")
            first_line[name] = number
            item, minor = line_item(name, values, folder)
            items.append(item)
            problems += [Problem(number, name, fault.code, fault.message) for fault in minor]
        except Fault as fault:
            problems.append(Problem(number, name, fault.code, fault.message))
        if lines >= HOPELESS_LINES and not alike:
            break
    if not lines:
        raise ManifestError("empty_data", f"{path.name} is empty. Write one item a line: {EXAMPLE}")
    if not alike:
        raise _another_schema(path, problems)
    return items, problems


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    """Numbered lines that are not blank."""
    open_text(path)
    with path.open("rb") as file:
        number = 0
        while data := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(data) > MAX_LINE_BYTES:
                raise _another_schema(path, [Problem(number, "", "json", "The line is far too long for one item.")])
            text = decoded(data, path.name, number).strip()
            if text:
                yield number, text


def _another_schema(path: Path, problems: Sequence[Problem]) -> ManifestError:
    """No line is an item: says which reader takes the file, if one does."""
    known = guess_format(path)
    if known:
        return ManifestError(
            "schema",
            f"{path.name} is not a manifest but looks like {known.title}. Convert it first: "
            f"python -m worker.training.sources --format {known.name} {path.name} --media FOLDER --out manifest.jsonl",
        )
    first = f" The first problem: {problems[0]}" if problems else ""
    return ManifestError("schema", f"{path.name} is not a manifest: no line of it is an item such as {EXAMPLE}.{first}")


def require_trainable(items: Sequence[Item], problems: Sequence[Problem] = (), *, minimum: int = 2) -> None:
    """Raises ManifestError: empty_data with fewer than ``minimum`` items, one_class when all captions are the same."""
    if len(items) < minimum:
        broken = f" {len(problems)} problems were found, the first: {problems[0]}" if problems else ""
        raise ManifestError(
            "empty_data", f"The data has {len(items)} usable items; at least {minimum} are needed. Add more.{broken}"
        )
    if len({caption.casefold() for item in items for caption in item.captions}) < 2:
        raise ManifestError(
            "one_class", "Every caption is the same, so there is nothing to distinguish. Add captions that differ."
        )


# Writing


def _canonical(item: Item) -> str:
    values: dict[str, Any] = {"id": item.id}
    if item.video is not None:
        values["video"] = os.path.abspath(item.video)
    else:
        values["frames"] = [os.path.abspath(frame) for frame in item.frames]
    values["captions"] = list(item.captions)
    if item.group:
        values["group"] = item.group
    if item.weight != 1:
        values["weight"] = item.weight
    if item.origin != "caption":
        values["origin"] = item.origin
    if not math.isfinite(item.weight):
        raise ValueError(f"item {item.id} has a weight that is not a number")
    return json.dumps(values, ensure_ascii=False) + "\n"


def _canonical_lines(items: Iterable[Item]) -> list[str]:
    ordered = sorted(items, key=lambda item: item.id)
    twice = [name for name, count in Counter(item.id for item in ordered).items() if count > 1]
    if twice:
        raise ValueError(f"{len(twice)} ids occur more than once, the first is {twice[0]!r}")
    return [_canonical(item) for item in ordered]


def manifest_sha256(items: Iterable[Item]) -> str:
    """Of the canonical form (by id, absolute paths): what ``sha256sum`` says of the file that write_manifest writes."""
    digest = hashlib.sha256()
    for line in _canonical_lines(items):
        digest.update(line.encode())
    return digest.hexdigest()


def write_manifest(items: Iterable[Item], path: Path) -> str:
    """The canonical form, written whole or not at all; its sha256. Reading it gives the same items, by id."""
    lines = _canonical_lines(items)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for line in lines:
                data = line.encode()
                digest.update(data)
                file.write(data)
        os.chmod(fresh, 0o644)
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise
    return digest.hexdigest()
