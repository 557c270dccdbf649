"""How data sets come: one reader a format, from a file to entries. It looks for no media; sources.py does."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.media.subtitles.cues import parse_subtitles
from worker.training.data.items import ManifestError, Problem
from worker.training.data.manifest_lines import parse_json, plain
from worker.training.data.text_files import decoded, open_text

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
VIDEOS = frozenset(".mp4 .m4v .mov .mkv .webm .avi .mpg .mpeg .ts .flv .wmv .gif .ogv".split())
MAX_BYTES = 512 * 1024 * 1024  # read at once
GUESS_BYTES = 64 * 1024 * 1024
SUBTITLE_WEIGHT = 0.5  # what is said need not be what is seen
MAX_CUES = 20  # captions of one video made of its subtitles, evenly spread


@dataclass
class Entry:
    """What a source says about one item, before its files were looked for."""

    id: str
    files: list[str]  # one video, or pictures
    captions: list[object]
    line: int = 0
    group: str = ""
    weight: float = 1.0
    origin: str = "caption"


@dataclass(frozen=True)
class Format:
    """``read`` takes the file and a split's name ("" = all) and yields entries and problems."""

    name: str
    title: str
    read: Callable[[Path, str], Iterable[Entry | Problem]]


def _text(path: Path) -> str:
    open_text(path)
    if path.stat().st_size > MAX_BYTES:
        raise ManifestError("too_large", f"{path.name} is larger than {MAX_BYTES >> 20} MB. Cut it into parts.")
    return decoded(path.read_bytes(), path.name, 1)


def _json(path: Path) -> Any:
    if path.suffix.lower() in (".pkl", ".pickle"):
        raise ManifestError("schema", f"{path.name} is a pickle, which can run any code. Export it as JSON or CSV.")
    try:
        return parse_json(_text(path))
    except ValueError as error:
        raise ManifestError("json", f"{path.name} is not JSON ({error}). Is it the right file and --format?") from error


def _wrong(path: Path, name: str, expected: str) -> ManifestError:
    return ManifestError("schema", f"{path.name} has another schema: --format {name} reads {expected}.")


def _objects(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def read_msrvtt(path: Path, split: str) -> Iterator[Entry | Problem]:
    """MSR-VTT: {"videos": [{"video_id", "split", "url"}], "sentences": [{"video_id", "caption"}]}.

    Clips that were cut from one upload (equal url) are one group.
    """
    data = _json(path)
    if not isinstance(data, dict) or not _objects(data.get("videos")) or not _objects(data.get("sentences")):
        raise _wrong(path, "msrvtt", 'an object with the lists "videos" and "sentences"')
    captions: dict[str, list[object]] = {}
    for number, sentence in enumerate(data["sentences"], start=1):
        if not isinstance(sentence.get("video_id"), str) or "caption" not in sentence:
            yield Problem(0, "", "schema", f"Sentence {number} lacks video_id or caption.")
            continue
        captions.setdefault(sentence["video_id"], []).append(sentence["caption"])
    known = set()
    for number, video in enumerate(data["videos"], start=1):
        name = video.get("video_id")
        if not isinstance(name, str) or not name:
            yield Problem(0, "", "schema", f"Video {number} lacks video_id.")
            continue
        known.add(name)
        if not split or video.get("split") == split:
            yield Entry(name, [name], captions.get(name, []), group=_text_of(video.get("url")))
    for name in captions.keys() - known:
        yield Problem(0, name, "missing", "Captions of a video that is not among the videos.")


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def read_flickr(path: Path, split: str) -> Iterator[Entry | Problem]:
    """Flickr style: {file: [captions]}, or Karpathy's {"images": [{"filename", "split", "sentences": [{"raw"}]}]}."""
    data = _json(path)
    if isinstance(data, dict) and _objects(data.get("images")):
        yield from _karpathy(data["images"], split)
        return
    if not isinstance(data, dict) or not data or not all(isinstance(c, list | str) for c in data.values()):
        raise _wrong(path, "flickr", 'an object of file names with their captions, or one with the list "images"')
    if split:
        raise ManifestError("split", f"{path.name} has no splits. Leave --split out.")
    for file, captions in data.items():
        yield Entry(file, [file], captions if isinstance(captions, list) else [captions])


def _karpathy(images: list[dict[str, Any]], split: str) -> Iterator[Entry | Problem]:
    for number, image in enumerate(images, start=1):
        name, sentences = image.get("filename"), image.get("sentences")
        if not isinstance(name, str) or not _objects(sentences):
            yield Problem(0, "", "schema", f"Image {number} lacks filename or sentences.")
            continue
        if not split or image.get("split") == split:
            file = os.path.join(_text_of(image.get("filepath")), name)
            yield Entry(file, [file], [sentence.get("raw", "") for sentence in sentences or []])


def read_frames(path: Path, split: str) -> Iterator[Entry | Problem]:
    """Frames of videos: {id: {"frames": [files], "captions": [texts]}}."""
    data = _json(path)
    if not isinstance(data, dict) or not _framed(data):
        raise _wrong(path, "frames", 'an object of ids with {"frames": [...], "captions": [...]}')
    for name, value in data.items():
        files, captions = value.get("frames"), value.get("captions")
        if not isinstance(files, list) or not all(isinstance(f, str) for f in files) or not isinstance(captions, list):
            yield Problem(0, name, "schema", 'The lists "frames" and "captions" are needed.')
        elif not split or value.get("split") == split:
            yield Entry(name, files, captions, group=_text_of(value.get("group")))


def _framed(data: dict[str, Any]) -> bool:
    return bool(data) and all(isinstance(v, dict) for v in data.values()) and any("frames" in v for v in data.values())


_COLUMNS = {
    "video": ("video", "path", "file", "filename", "image", "video_id", "vid", "clip", "name"),
    "caption": ("caption", "captions", "sentence", "text", "description"),
    "group": ("group", "source"),
    "weight": ("weight",),
    "split": ("split",),
}


def read_csv(path: Path, split: str) -> Iterator[Entry | Problem]:
    """A table with a header: video and caption, and if there are group, weight, split; one row a caption."""
    text = _text(path)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        column = _columns(path, next(rows, []), split)
        width = max(column.values()) + 1
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) < width:
                yield Problem(rows.line_num, "", "schema", f"The row has {len(row)} columns, {width} are needed.")
                continue
            yield from _row(row, column, rows.line_num, split)
    except csv.Error as error:
        raise ManifestError(
            "schema", f"{path.name} is not a valid table: line {rows.line_num}: {error}. Put texts with commas in quotes."
        ) from error


def _row(row: list[str], column: dict[str, int], line: int, split: str) -> Iterator[Entry | Problem]:
    video = row[column["video"]].strip()
    weight = row[column["weight"]].strip() if "weight" in column else ""
    try:
        value = float(weight or 1.0)
    except ValueError:
        value = 0.0
    if not video:
        yield Problem(line, "", "media", "The row names no video.")
    elif not 0 < value <= 100:
        yield Problem(line, video, "weight", f"The weight {weight!r} is not a number above 0 and at most 100.")
    elif not split or row[column["split"]].strip() == split:
        group = row[column["group"]] if "group" in column else ""
        yield Entry(video, [video], [row[column["caption"]]], line, plain(group), value)


def _delimiter(text: str) -> str:
    """Of , ; tab and | the one that the header has most of."""
    header = text.lstrip().split("\n", 1)[0]
    return max(",;\t|", key=header.count)


def _columns(path: Path, header: list[str], split: str) -> dict[str, int]:
    names = [cell.strip().casefold() for cell in header]
    found = {
        role: names.index(next(alias for alias in aliases if alias in names))
        for role, aliases in _COLUMNS.items()
        if set(aliases) & set(names)
    }
    missing = [role for role in ("video", "caption", *(["split"] if split else [])) if role not in found]
    if missing:
        raise ManifestError(
            "schema",
            f"{path.name} has no column {' and no column '.join(missing)} in its first line ({', '.join(names[:8])}). "
            "Write a header such as video,caption.",
        )
    return found


_MSVD_LINE = re.compile(r"^(\S+)[ \t]+(\S.*)$")
_MSVD_CLIP = re.compile(r"^(.+)_\d+_\d+$")


def read_msvd(path: Path, split: str) -> Iterator[Entry | Problem]:
    """MSVD: a line a caption, "<YouTube id>_<start>_<end> <caption>"; # begins a comment. An upload is a group."""
    if split:
        raise ManifestError("split", "MSVD captions have no splits. Leave --split out.")
    found = False
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _MSVD_LINE.match(line.strip())
        clip = match and _MSVD_CLIP.match(match[1])
        if match is None or clip is None:
            yield Problem(number, "", "schema", "The line is not '<video>_<start>_<end> <caption>'.")
            continue
        found = True
        yield Entry(match[1], [match[1]], [match[2]], number, clip[1])
    if not found:
        raise _wrong(path, "msvd", "lines such as 'mv89psg6zh4_33_46 a bird is bathing'")


def read_folder(path: Path, split: str) -> Iterator[Entry | Problem]:
    """Videos with a text of the same name beside them: .txt (a caption a line), else .srt or .vtt (weak)."""
    if not path.is_dir():
        raise ManifestError("missing", f"{path} is not a folder. --format folder needs the folder of the videos.")
    for root, folders, files in os.walk(path):
        folders.sort()
        for file in sorted(files):
            if os.path.splitext(file)[1].lower() in VIDEOS:
                video = Path(root) / file
                name = video.relative_to(path).as_posix()
                beside = next((s for e in (".txt", ".srt", ".vtt") if (s := video.with_suffix(e)).is_file()), None)
                if beside is None:
                    yield Problem(0, name, "captions", "There is no .txt, .srt or .vtt of the same name beside it.")
                    continue
                try:
                    yield _with_sidecar(name, beside)
                except ManifestError as error:
                    yield Problem(0, name, error.code, error.message)


def _with_sidecar(name: str, beside: Path) -> Entry:
    text = _text(beside)
    if beside.suffix == ".txt":
        return Entry(name, [name], [line for line in text.splitlines() if line.strip()])
    cues = list(dict.fromkeys(" ".join(cue.text.split()) for cue in parse_subtitles(text)))
    step = max(len(cues) / MAX_CUES, 1.0)
    spread: list[object] = [cues[int(i * step)] for i in range(min(len(cues), MAX_CUES))]
    return Entry(name, [name], spread, weight=SUBTITLE_WEIGHT, origin="subtitle")


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("csv", "a table (CSV)", read_csv),
        Format("msrvtt", "MSR-VTT JSON", read_msrvtt),
        Format("msvd", "MSVD captions", read_msvd),
        Format("flickr", "Flickr-style JSON", read_flickr),
        Format("frames", "JSON of frames and captions", read_frames),
        Format("folder", "a folder of videos with texts beside them", read_folder),
    )
}


def guess_format(path: Path) -> Format | None:
    """Which reader would take the file; looks at its content, not at its name."""
    if path.stat().st_size > GUESS_BYTES:
        return None
    text = _text(path)
    try:
        data = parse_json(text)
    except ValueError:
        return _guess_text(text)
    if not isinstance(data, dict) or not data:
        return None
    if _objects(data.get("videos")) and _objects(data.get("sentences")):
        return FORMATS["msrvtt"]
    if _framed(data):
        return FORMATS["frames"]
    if _objects(data.get("images")) or all(
        isinstance(value, list) and all(isinstance(text, str) for text in value) for value in data.values()
    ):
        return FORMATS["flickr"]
    return None


def _guess_text(text: str) -> Format | None:
    lines = [line for line in text.splitlines()[:100] if line.strip() and not line.startswith("#")]
    if not lines:
        return None
    cells = {cell.strip().casefold() for cell in lines[0].split(_delimiter(lines[0]))}
    if cells & set(_COLUMNS["video"]) and cells & set(_COLUMNS["caption"]):
        return FORMATS["csv"]
    matches = [_MSVD_LINE.match(line) for line in lines]
    return FORMATS["msvd"] if all(m and _MSVD_CLIP.match(m[1]) for m in matches) else None
