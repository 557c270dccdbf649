"""Makes a manifest of what data sets come as. One reader a format; a faulty entry becomes a Problem, never a gap.

    python -m worker.training.sources --format msrvtt MSRVTT_data.json --media videos/ --out manifest.jsonl

``--media`` is the folder of the files (by default that of the source); files may be named with or without extension.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from worker.training.data.formats import FORMATS, PICTURES, VIDEOS, Entry
from worker.training.data.items import Fault, Item, ManifestError, Problem
from worker.training.data.manifest import require_trainable, write_manifest
from worker.training.data.manifest_lines import existing, plain, sound_captions


def read_source(
    path: Path, name: str, *, media: Path | None = None, split: str = ""
) -> tuple[list[Item], list[Problem]]:
    """Items of ``path`` in the format ``name`` (a key of FORMATS). Entries of one id are one item with all captions.

    Raises ManifestError.
    """
    if name not in FORMATS:
        raise ManifestError("format", f"There is no format {name}; there are {', '.join(FORMATS)}.")
    path = Path(path)
    folder = Path(os.path.abspath(media or (path if path.is_dir() else path.parent)))
    if not folder.is_dir():
        raise ManifestError("missing", f"There is no folder {folder}. Name the folder of the videos with --media.")
    entries: dict[str, Entry] = {}
    problems: list[Problem] = []
    for entry in FORMATS[name].read(path, split):
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        if entry.id in entries and entries[entry.id].weight != entry.weight:
            entry.id = f"{entry.id}@{entry.weight:g}"  # captions of one video with two weights are two items
        known = entries.setdefault(entry.id, entry)
        if known is not entry and (known.files, known.group) == (entry.files, entry.group):
            known.captions += entry.captions
        elif known is not entry:
            message = f"Another file or group than at line {known.line}." if known.line else "The id occurs twice."
            problems.append(Problem(entry.line, entry.id, "duplicate", message))
    if not entries and not problems:
        of = f" of the split {split}" if split else ""
        raise ManifestError("empty_data", f"{path.name} contains no entries{of}. Check the file and --split.")
    stems = _stems(folder)
    items = []
    for entry in entries.values():
        captions, faults = sound_captions(entry.captions)
        problems += [Problem(entry.line, entry.id, f.code, f.message) for f in faults]
        if not captions:
            problems.append(Problem(entry.line, entry.id, "captions", "No caption that can be used."))
            continue
        try:
            items.append(_item(entry, captions, folder, stems))
        except Fault as fault:
            problems.append(Problem(entry.line, entry.id, fault.code, fault.message))
    return items, problems


def _item(entry: Entry, captions: tuple[str, ...], folder: Path, stems: dict[str, list[str]]) -> Item:
    files = []
    for file in entry.files:
        named = file if Path(file).suffix.lower() in PICTURES | VIDEOS else ""
        choices = stems.get(file, [])
        if not named and len(choices) > 1:
            raise Fault("media", f"{file} may be {' or '.join(choices[:4])} in {folder}; name the extension.")
        files.append(existing(named or (choices[0] if choices else file), folder, "--media"))
    if not files:
        raise Fault("media", "No video and no picture is named.")
    pictures = all(file.suffix.lower() in PICTURES for file in files)
    if not pictures and len(files) > 1:
        raise Fault("media", "An item is one video or a list of pictures.")
    video, frames = (None, tuple(files)) if pictures else (files[0], ())
    return Item(entry.id, captions, video, frames, plain(entry.group), entry.weight, entry.origin)


def _stems(folder: Path) -> dict[str, list[str]]:
    """Name without extension -> the media files of ``folder`` that have it."""
    found: dict[str, list[str]] = {}
    for file in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(file)
        if suffix.lower() in PICTURES | VIDEOS:
            found.setdefault(stem, []).append(file)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the file (for --format folder: the folder)")
    parser.add_argument("--format", required=True, choices=list(FORMATS))
    parser.add_argument("--media", type=Path, help="folder of the videos or pictures")
    parser.add_argument("--split", default="", help="only this split, where the format knows splits")
    parser.add_argument("--out", type=Path, required=True, help="the manifest to write")
    options = parser.parse_args(arguments)
    try:
        items, problems = read_source(options.source, options.format, media=options.media, split=options.split)
    except ManifestError as error:
        print(error.message, file=sys.stderr)
        return 1
    for problem in problems:
        print(f"left out: {problem}", file=sys.stderr)
    if not items:
        print("Nothing is left, so no manifest was written.", file=sys.stderr)
        return 1
    digest = write_manifest(items, options.out)
    print(f"{len(items)} items, {sum(len(item.captions) for item in items)} captions, {len(problems)} problems")
    print(f"{options.out} sha256 {digest}")
    try:
        require_trainable(items, problems)
    except ManifestError as error:
        print(f"Not enough to train on: {error.message}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
