"""One line of a manifest: what it must say, and the words for what is wrong with it."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from worker.training.data.items import ORIGINS, Fault, Item

MAX_WEIGHT = 100.0
EXAMPLE = '{"id": "1", "video": "clip.mp4", "captions": ["what it shows"]}'


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def parse_json(text: str) -> Any:
    """Raises ValueError; NaN and Infinity are none of JSON's numbers."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def parsed_line(line: str) -> dict[str, Any]:
    try:
        values = parse_json(line)
    except ValueError as error:
        raise Fault("json", f"The line is not JSON ({error}). Write one item a line: {EXAMPLE}") from error
    if not isinstance(values, dict):
        raise Fault("schema", f"The line is not an object. Write one item a line: {EXAMPLE}")
    return values


def line_id(values: dict[str, Any]) -> str:
    name = values.get("id", "")
    if isinstance(name, int) and not isinstance(name, bool):
        name = str(name)
    return plain(name) if isinstance(name, str) and not _broken_text(name) else ""


def plain(text: str) -> str:
    """One line, single spaces, no others at the ends."""
    return " ".join(text.split())


def line_item(name: str, values: dict[str, Any], folder: Path) -> tuple[Item, list[Fault]]:
    """The item and what is wrong with parts of it. Raises Fault when it cannot be used."""
    captions, minor = _captions(values)
    video, frames = _media(values, folder)
    group = values.get("group", "")
    if isinstance(group, int) and not isinstance(group, bool):
        group = str(group)
    if not isinstance(group, str) or _broken_text(group):
        raise Fault("group", '"group" must be a text, the same for items of one source.')
    origin = values.get("origin", "caption")
    if origin not in ORIGINS:
        raise Fault("origin", f'"origin" must be one of {", ".join(ORIGINS)}.')
    return Item(name, captions, video, frames, plain(group), _weight(values), origin), minor


def _weight(values: dict[str, Any]) -> float:
    weight = values.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= MAX_WEIGHT:
        raise Fault("weight", f'"weight" must be a number above 0 and at most {MAX_WEIGHT:.0f}; 1 is usual.')
    return float(weight)


def _captions(values: dict[str, Any]) -> tuple[tuple[str, ...], list[Fault]]:
    if "captions" not in values:
        similar = [key for key in ("caption", "caption_list", "sentences", "sentence", "text") if key in values]
        hint = f' Rename "{similar[0]}" and make it a list.' if similar else ""
        raise Fault("captions", f'"captions" is missing: a list of texts.{hint}')
    given = values["captions"]
    if isinstance(given, str):
        raise Fault("captions", '"captions" must be a list, also for one: ["..."].')
    if not isinstance(given, list):
        raise Fault("captions", '"captions" must be a list of texts.')
    kept, faults = sound_captions(given)
    if not kept:
        raise faults[0] if faults else Fault("captions", '"captions" is empty. Add at least one text.')
    return kept, faults


def sound_captions(given: Sequence[object]) -> tuple[tuple[str, ...], list[Fault]]:
    """Those that can be used, in order and on one line each, and what is wrong with the others."""
    kept: list[str] = []
    faults: list[Fault] = []
    for place, text in enumerate(given, start=1):
        if not isinstance(text, str):
            faults.append(Fault("caption", f"Caption {place} is not a text."))
        elif not (one := plain(text)):
            faults.append(Fault("caption", f"Caption {place} is empty."))
        elif reason := _broken_text(one):
            faults.append(
                Fault("encoding", f"Caption {place} was once read in the wrong encoding ({reason}): {one[:60]!r}")
            )
        else:
            kept.append(one)
    return tuple(kept), faults


def _broken_text(text: str) -> str:
    """Why ``text`` cannot be what its author wrote, or ""."""
    if text.isascii():
        return ""
    if "\ufffd" in text:
        return "it holds the replacement character \ufffd"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "it holds half a character"
    try:
        # Bytes of UTF-8 that were read as Windows-1252: they turn into fewer characters when read rightly.
        meant = text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return ""
    return f"probably {meant[:40]!r} is meant"


def _media(values: dict[str, Any], folder: Path) -> tuple[Path | None, tuple[Path, ...]]:
    video, frames = values.get("video"), values.get("frames")
    if video and frames:
        raise Fault("media", 'The line has both "video" and "frames"; keep one.')
    if not video and not frames:
        raise Fault("media", '"video" (a path) or "frames" (a list of paths) is missing.')
    if video:
        return existing(video, folder), ()
    if not isinstance(frames, list):
        raise Fault("media", '"frames" must be a list of paths of pictures.')
    return None, tuple(existing(frame, folder) for frame in frames)


def existing(path: object, folder: Path, base: str = "the manifest's folder") -> Path:
    """The absolute path of a file that is there; ``base`` is what messages call ``folder``. Raises Fault."""
    if not isinstance(path, str) or "\0" in path or any("\ud800" <= c <= "\udfff" for c in path):
        raise Fault("path", "A path must be a text.")
    if "://" in path:
        raise Fault("path", f"{path} is an address. Download it and name the file.")
    full = Path(os.path.abspath(folder / path))
    try:
        found = full.is_file()
    except OSError as error:  # a name that is too long, a folder that may not be entered
        raise Fault("missing", f"{full} cannot be opened ({error.strerror}).") from error
    if not found:
        hint = "" if Path(path).is_absolute() else f" (a relative path counts from {base})"
        raise Fault("missing", f"There is no file {full}{hint}.")
    return full
