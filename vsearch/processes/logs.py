"""Output of supervised processes: everything into one file each, what matters also to the terminal."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from pathlib import Path
from typing import IO, Protocol

from apps.core.plain import escaped

LARGEST_BYTES = 20 * 1024**2  # then the file moves to NAME.log.1, which it replaces
_WIDTH = 8
_SERIOUS = re.compile(r"(?:^|[\s\[])(WARNING|ERROR|CRITICAL)\b")
_STAMP = re.compile(r"^\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]?\d*\]?:?\s*")


class Say(Protocol):
    def __call__(self, name: str, line: str, *, urgent: bool = False) -> None: ...


def say(name: str, line: str, *, urgent: bool = False) -> None:
    """One line on the terminal: time, who, what. ``urgent`` lines go to stderr. Dropped when it cannot be written: the
    terminal is gone, or the output goes to a full disk."""
    stream = sys.stderr if urgent else sys.stdout
    with contextlib.suppress(OSError):
        print(f"{time.strftime('%H:%M:%S')} {name:<{_WIDTH}} {line}", file=stream, flush=True)


class ProcessLog:
    """Appends to ``log_dir/NAME.log``; lines that warn also go to the terminal, without their time stamp.

    What the disk does not take is dropped and counted, never fatal; the count is noted when there is space again.
    """

    def __init__(self, name: str, log_dir: Path, say: Say) -> None:
        self._name = name
        self._path = log_dir / f"{name}.log"
        self._say = say
        self._rest = b""
        self.last_line = ""
        self._file: IO[bytes] | None = None
        self._dropped = 0

    def write(self, text: bytes) -> None:
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            self._line(line)

    def flush(self) -> None:
        """Write an unfinished last line; called when the process has ended."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""

    def _keep(self, line: bytes) -> None:
        """Raises OSError. Unbuffered, so that a line is there or not, and none is written later by accident."""
        if self._file is not None and self._file.tell() > LARGEST_BYTES:
            self._file.close()
            self._file = None
            self._path.replace(self._path.with_suffix(".log.1"))
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        self._file.write(line + b"\n")

    def _line(self, line: bytes) -> None:
        # Not only our own lines: programs that a worker starts name files, and a terminal obeys what a name holds.
        readable = escaped(line.decode(errors="replace").rstrip().replace("\t", "    "))
        try:
            if self._dropped:
                self._keep(b"(%d lines are missing here: they could not be written)" % self._dropped)
                self._dropped = 0
            self._keep(readable.encode())
        except OSError:
            self._dropped += 1
        self.last_line = readable or self.last_line
        if _SERIOUS.search(readable[:80]):
            self._say(self._name, _STAMP.sub("", readable)[:300], urgent=True)
