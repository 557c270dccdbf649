"""A manifest or a table that somebody sends: kept as UTF-8, refused at once for what needs no look at a video."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import IO

from apps.core.exceptions import InvalidInput

MAX_FILE_BYTES = 512 * 1024**2
MANIFEST_KEYS = 'a line is {"id": ..., "video": path or "frames": [paths], "captions": [...]}'
CSV_COLUMNS = "the first line names the columns: video and caption, and optionally id, group and weight"


def file_keep(file: IO[bytes], target: Path) -> None:
    """Copy, line by line, as UTF-8 without a byte order mark; InvalidInput names the line that is not."""
    size = 0
    with target.open("wb") as out:
        for number, line in enumerate(file, start=1):
            size += len(line)
            if size > MAX_FILE_BYTES:
                raise InvalidInput(f"The file is larger than {MAX_FILE_BYTES // 1024**2} MB.", field="file")
            if number == 1:
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise InvalidInput("The file is UTF-16. Save it as UTF-8, then send it again.", field="file")
                line = line.removeprefix(b"\xef\xbb\xbf")
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise InvalidInput(
                    f"Line {number} is not UTF-8 (byte {error.start + 1}). Save the file as UTF-8, then send it again.",
                    field="file",
                ) from error
            if "\x00" in text:
                raise InvalidInput(f"Line {number} contains binary data; this is not a text file.", field="file")
            out.write(line)
    if size == 0:
        raise InvalidInput("The file is empty.", field="file")


def manifest_check(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        first = next((line for line in file if line.strip()), "")
    if not first:
        raise InvalidInput("The file contains only empty lines.", field="file")
    try:
        value = json.loads(first)
    except ValueError as error:
        if first.lstrip().startswith(("[", "{")):
            raise InvalidInput(
                f"The file is one JSON document or broken JSON, and not JSON lines: {MANIFEST_KEYS}.", field="file"
            ) from error
        raise InvalidInput(f"The first line is not JSON: {MANIFEST_KEYS}.", field="file") from error
    if not isinstance(value, dict):
        raise InvalidInput(f"The first line is not a JSON object: {MANIFEST_KEYS}.", field="file")
    missing = [name for name in ("id", "captions") if name not in value]
    if not {"video", "frames"} & value.keys():
        missing.append("video or frames")
    if missing:
        has = ", ".join(sorted(map(str, value))) or "nothing"
        raise InvalidInput(
            f"This is a manifest of another schema: {', '.join(missing)} is missing (it has {has}); {MANIFEST_KEYS}.",
            field="file",
        )


def csv_dialect(first: str) -> type[csv.Dialect]:
    """Comma, semicolon or tab, whichever the header has most of."""

    class Found(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Found


def csv_check(path: Path) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        first = file.readline()
        rows = csv.reader([first], dialect=csv_dialect(first))
        columns = [name.strip().lower() for name in next(rows, [])]
        anything = any(line.strip() for line in file)
    if "video" not in columns or not {"caption", "captions"} & set(columns):
        raise InvalidInput(f"The columns are {', '.join(columns) or 'none'}; {CSV_COLUMNS}.", field="file")
    if not anything:
        raise InvalidInput("The table has a header and no rows.", field="file")
