"""Manifests of copy detection: library videos, queries, and which spans of them show the same footage.

    {"references": [{"id": "a", "video": "a.mp4"}],
     "queries": [{"id": "q", "video": "q.mp4", "segments": [
         {"reference": "a", "query": [0, 4.5], "reference_span": [10, 14.5], "edit": "mirror"}]}]}

Relative paths count from the manifest's folder. A query without segments is a negative. A segment with
``"shared_asset": true`` (an intro, an advert) is shared footage that does not make the pair a copy.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.evaluation.copy_metrics import Box

MAX_BYTES = 256 * 1024 * 1024
END_SLACK = 0.5  # seconds that a span may end behind the last frame: containers and cutters round
DEFAULT_EDIT = "copy"
_UNUSABLE = re.compile("[\0\ud800-\udfff]")
_KEYS = {
    "the manifest": {"references", "queries"},
    "a reference": {"id", "video"},
    "a query": {"id", "video", "segments"},
    "a segment": {"reference", "query", "reference_span", "edit", "shared_asset"},
}


@dataclass(frozen=True, slots=True)
class ManifestFault:
    """What is wrong at one place (``queries[2].segments[0].query``), for people."""

    where: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


class CopyManifestError(Exception):
    """The manifest cannot be used. ``message`` says what to do; ``faults`` lists everything that is wrong."""

    def __init__(self, code: str, message: str, faults: Sequence[ManifestFault] = ()) -> None:
        self.code, self.message, self.faults = code, message, tuple(faults)
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class TrueSpan:
    """Seconds of the query that show seconds of a library video."""

    reference: str
    box: Box
    edit: str
    shared_asset: bool
    where: str


@dataclass(frozen=True, slots=True)
class ListedVideo:
    id: str
    video: Path
    segments: tuple[TrueSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class CopyManifest:
    references: tuple[ListedVideo, ...]
    queries: tuple[ListedVideo, ...]


def read_copy_manifest(path: Path) -> CopyManifest:
    """Looks whether the videos exist, opens none. Raises CopyManifestError with every fault that was found."""
    path = Path(path)
    content = _parsed(path)
    faults: list[ManifestFault] = []
    folder = Path(os.path.abspath(path)).parent
    _keys(content, "the manifest", "manifest", faults)
    references = list(_videos(content, "references", "a reference", folder, faults))
    known = {reference.id for reference in references}
    queries = [_with_segments(*item, known, faults) for item in _query_rows(content, folder, faults)]
    if faults:
        count = f"{len(faults)} problems, the first: " if len(faults) > 1 else ""
        raise CopyManifestError("schema", f"{path.name} cannot be used: {count}{faults[0]}", faults)
    return CopyManifest(tuple(references), tuple(queries))


def faults_of_length(video: ListedVideo, seconds: dict[str, float], own: float | None) -> list[ManifestFault]:
    """Spans of one query that end after their video does. ``seconds`` of the references by id, ``own`` of the query.

    Videos whose length is not known (they could not be read) are not looked at.
    """
    faults = []
    for span in video.segments:
        ends = ((own, span.box[1], "query", video.id), (seconds.get(span.reference), span.box[3], "reference_span",
                                                        span.reference))  # fmt: skip
        for length, end, key, name in ends:
            if length is not None and end > length + END_SLACK:
                message = f"ends at {end:g} s, but {name!r} is only {length:.2f} s long. Correct the span."
                faults.append(ManifestFault(f"{span.where}.{key}", "range", message))
    return faults


def _parsed(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CopyManifestError("too_large", f"{path.name} is larger than {MAX_BYTES // 1024**2} MiB. Split it.")
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise CopyManifestError("missing", f"There is no file {path}. Name the manifest with --manifest.") from error
    except OSError as error:
        raise CopyManifestError("unreadable", f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise CopyManifestError("encoding", f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise CopyManifestError("json", f"{path.name} is not JSON: {error}. Write one JSON object.") from error
    if not isinstance(content, dict):
        raise CopyManifestError(
            "schema", f'{path.name} must be a JSON object with "references" and "queries", not {_kind(content)}.'
        )
    return content


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _keys(row: dict[str, Any], kind: str, where: str, faults: list[ManifestFault]) -> None:
    for key in sorted(set(row) - _KEYS[kind]):
        known = ", ".join(sorted(_KEYS[kind]))
        faults.append(ManifestFault(where, "unknown_key", f"unknown key {key!r}; {kind} has {known}. Remove it."))


def _rows(content: dict[str, Any], name: str, faults: list[ManifestFault]) -> list[Any]:
    rows = content.get(name)
    if not isinstance(rows, list):
        said = "is missing" if name not in content else f"must be a list, not {_kind(rows)}"
        faults.append(ManifestFault(name, "type", f"{said}. Give at least one video."))
        return []
    if not rows:
        faults.append(ManifestFault(name, "empty", "is an empty list. Give at least one video."))
    return rows


def _videos(
    content: dict[str, Any], name: str, kind: str, folder: Path, faults: list[ManifestFault]
) -> Iterator[ListedVideo]:
    first: dict[str, int] = {}
    for number, row in enumerate(_rows(content, name, faults)):
        where = f"{name}[{number}]"
        if not isinstance(row, dict):
            faults.append(ManifestFault(where, "type", f"must be an object, not {_kind(row)}."))
            continue
        _keys(row, kind, where, faults)
        name_of = _text(row, "id", where, faults)
        video = _text(row, "video", where, faults)
        if name_of in first:
            message = f"the id {name_of!r} is used by {name}[{first[name_of]}] already. Give every video its own."
            faults.append(ManifestFault(f"{where}.id", "duplicate", message))
        elif name_of:
            first[name_of] = number
        path = folder / os.path.expanduser(video) if video else Path()
        if video and not os.path.isfile(path):  # unlike Path.is_file it takes any name
            said = "is a folder" if os.path.isdir(path) else "does not exist"
            message = f"{path} {said}. Correct the path; relative ones count from the manifest's folder."
            faults.append(ManifestFault(f"{where}.video", "missing", message))
        yield ListedVideo(name_of, path)


def _text(row: dict[str, Any], key: str, where: str, faults: list[ManifestFault]) -> str:
    value = row.get(key)
    if isinstance(value, str) and value.strip() and not _UNUSABLE.search(value):
        return value
    if key not in row:
        said = "is missing"
    else:
        said = "is empty or no proper text" if isinstance(value, str) else f"must be text, not {_kind(value)}"
    faults.append(ManifestFault(f"{where}.{key}", "type", f"{said}. Give it as text."))
    return ""


def _query_rows(
    content: dict[str, Any], folder: Path, faults: list[ManifestFault]
) -> Iterator[tuple[ListedVideo, dict[str, Any], str]]:
    """Each query beside its row and its place."""
    rows = content.get("queries")
    objects = [(n, row) for n, row in enumerate(rows if isinstance(rows, list) else []) if isinstance(row, dict)]
    videos = list(_videos(content, "queries", "a query", folder, faults))
    for video, (number, row) in zip(videos, objects, strict=True):
        yield video, row, f"queries[{number}]"


def _with_segments(
    video: ListedVideo, row: dict[str, Any], where: str, known: set[str], faults: list[ManifestFault]
) -> ListedVideo:
    rows = row.get("segments", [])
    if not isinstance(rows, list):
        faults.append(ManifestFault(f"{where}.segments", "type", f"must be a list, not {_kind(rows)}."))
        rows = []
    segments = []
    for number, item in enumerate(rows):
        place = f"{where}.segments[{number}]"
        if not isinstance(item, dict):
            faults.append(ManifestFault(place, "type", f"must be an object, not {_kind(item)}."))
        elif (segment := _segment(item, place, known, faults)) is not None:
            segments.append(segment)
    return ListedVideo(video.id, video.video, tuple(segments))


def _segment(row: dict[str, Any], where: str, known: set[str], faults: list[ManifestFault]) -> TrueSpan | None:
    _keys(row, "a segment", where, faults)
    reference = _text(row, "reference", where, faults)
    if reference and reference not in known:
        message = f"there is no reference with the id {reference!r}. Add it to the references or correct the id."
        faults.append(ManifestFault(f"{where}.reference", "unknown_reference", message))
    spans = [_span(row, key, where, faults) for key in ("query", "reference_span")]
    edit = _text(row, "edit", where, faults) if "edit" in row else DEFAULT_EDIT
    asset = row.get("shared_asset", False)
    if not isinstance(asset, bool):
        message = f"must be true or false, not {_kind(asset)}."
        faults.append(ManifestFault(f"{where}.shared_asset", "type", message))
    query, other = spans
    if query is None or other is None or not reference:
        return None
    return TrueSpan(reference, (*query, *other), edit, asset is True, where)


def _span(row: dict[str, Any], key: str, where: str, faults: list[ManifestFault]) -> tuple[float, float] | None:
    value, place = row.get(key), f"{where}.{key}"
    if not isinstance(value, list) or len(value) != 2:
        said = "is missing" if key not in row else "must be a list of two numbers"
        faults.append(ManifestFault(place, "type", f"{said}. Give [start, end] in seconds."))
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in value):
        kinds = " and ".join(_kind(v) for v in value)
        faults.append(
            ManifestFault(place, "type", f"must hold two numbers, not {kinds}. Give [start, end] in seconds.")
        )
        return None
    try:
        start, end = float(value[0]), float(value[1])
    except OverflowError:
        start = end = math.inf
    if not (math.isfinite(start) and math.isfinite(end)):
        faults.append(ManifestFault(place, "not_finite", "holds a number that is not finite. Give seconds."))
        return None
    if start < 0:
        faults.append(ManifestFault(place, "range", f"starts at {start:g} s, before the video. Start at 0 or later."))
        return None
    if end <= start:
        message = f"ends at {end:g} s, which is not after its start at {start:g} s. Give [start, end] in seconds."
        faults.append(ManifestFault(place, "inverted", message))
        return None
    return start, end
