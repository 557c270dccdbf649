"""Output of supervised processes: everything into one file each, what matters also to the terminal."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import Protocol

LARGEST_BYTES = 20 * 1024**2  # then the file moves to NAME.log.1, which it replaces
_WIDTH = 8
_SERIOUS = re.compile(r"(?:^|[\s\[])(WARNING|ERROR|CRITICAL)\b")
_STAMP = re.compile(r"^\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[,.]?\d*\]?:?\s*")


class Say(Protocol):
    def __call__(self, name: str, line: str, *, urgent: bool = False) -> None: ...


def say(name: str, line: str, *, urgent: bool = False) -> None:
    """One line on the terminal: time, who, what. ``urgent`` lines go to stderr."""
    stream = sys.stderr if urgent else sys.stdout
    print(f"{time.strftime('%H:%M:%S')} {name:<{_WIDTH}} {line}", file=stream, flush=True)


class ProcessLog:
    """Appends to ``log_dir/NAME.log``; lines that warn also go to the terminal, without their time stamp."""

    def __init__(self, name: str, log_dir: Path, say: Say) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        self._name = name
        self._path = log_dir / f"{name}.log"
        self._say = say
        self._rest = b""
        self.last_line = ""
        self._file = self._path.open("ab")

    def write(self, text: bytes) -> None:
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            self._line(line)
        self._file.flush()

    def flush(self) -> None:
        """Write an unfinished last line; called when the process has ended."""
        if self._rest:
            self._line(self._rest)
            self._rest = b""
        self._file.flush()

    def _line(self, line: bytes) -> None:
        if self._file.tell() > LARGEST_BYTES:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = self._path.open("ab")
        self._file.write(line + b"\n")
        readable = line.decode(errors="replace").rstrip()
        self.last_line = readable or self.last_line
        if _SERIOUS.search(readable[:80]):
            self._say(self._name, _STAMP.sub("", readable)[:300], urgent=True)
