"""Files that people send as text: whether they are, and in which encoding."""

from __future__ import annotations

from pathlib import Path

from worker.training.data.items import ManifestError

SAVE_AS_UTF8 = "Save it as UTF-8, for example: iconv -f {code} -t UTF-8 {name} > fixed-{name}"


def open_text(path: Path) -> None:
    """Raises ManifestError when ``path`` is no readable UTF-8 (or ASCII) text file by its first bytes."""
    try:
        if path.exists() and not path.is_file():
            raise ManifestError("unreadable", f"{path} is a folder or not a regular file. Name a file.")
        with path.open("rb") as file:
            head = file.read(4096)
    except FileNotFoundError as error:
        raise ManifestError("missing", f"There is no file {path}. Check the path.") from error
    except (OSError, ValueError) as error:
        raise ManifestError("unreadable", f"{path} cannot be read ({error}). Check the path and its rights.") from error
    every_other = max(head[side::2].count(b"\0") / max(len(head) // 2, 1) for side in (0, 1))
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or every_other > 0.8:
        raise ManifestError("encoding", f"{path.name} is UTF-16. {SAVE_AS_UTF8.format(name=path.name, code='UTF-16')}")
    if b"\0" in head:
        raise ManifestError("encoding", f"{path.name} is not a text file. Name the file with the captions.")


def decoded(data: bytes, name: str, line: int) -> str:
    """UTF-8 with or without a byte order mark. Raises ManifestError("encoding") with the line."""
    try:
        return data.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        at = line + data.count(b"\n", 0, error.start)
        raise ManifestError(
            "encoding",
            f"{name} is not UTF-8: line {at} has the byte 0x{data[error.start]:02x}, probably Latin-1 or Windows-1252. "
            + SAVE_AS_UTF8.format(name=name, code="WINDOWS-1252"),
        ) from error


