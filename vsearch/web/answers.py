"""What Django answered, in the form that the server sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apps.videos.streaming import FileSpan

Headers = list[tuple[bytes, bytes]]


@dataclass
class Answer:
    """One of ``body`` (whole), ``span`` (of a file) or ``blocks`` (computed one by one, ended by ``close``)."""

    status: int
    headers: Headers
    body: bytes = b""
    span: FileSpan | None = None
    blocks: Iterator[bytes] | None = None
    close: Callable[[], None] | None = None

    def header(self, name: str) -> str | None:
        wanted = name.lower().encode()
        for known, value in self.headers:
            if known.lower() == wanted:
                return value.decode("latin-1")
        return None

    def put(self, name: str, value: str) -> None:
        """Set a header in place of what it was."""
        wanted = name.lower().encode()
        self.headers = [(known, was) for known, was in self.headers if known.lower() != wanted]
        self.headers.append((name.encode("latin-1"), value.encode("latin-1")))
