"""Reads the body of a request outside the threads: with a limit of bytes, of silence and of slowness."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import IO, Any

from apps.core.disk_full import is_disk_full
from vsearch.web.exceptions import Gone, Refused
from vsearch.web.limits import KIB, MIB, Pace

Receive = Callable[[], Awaitable[dict[str, Any]]]

IN_MEMORY = 64 * KIB  # of one body; the rest is on disk


DRAIN_BYTES = 64 * MIB
DRAIN_SECONDS = 5.0


class Slow(Exception):
    """The bytes come too slowly."""


class Incoming:
    """The body as it arrives.

    The server's ``receive`` is never cancelled, for it would lose the bytes that it was about to return.
    """

    def __init__(self, receive: Receive, pace: Pace) -> None:
        self._receive, self._pace = receive, pace
        self._pending: asyncio.Future[dict[str, Any]] | None = None
        self._began = time.monotonic()
        self.received = 0
        self.ended = False

    def seconds_left(self) -> float:
        return self._pace.seconds_left(time.monotonic() - self._began, self.received)

    async def block(self, at_most_seconds: float | None = None) -> bytes | None:
        """The next bytes; b"" when ``at_most_seconds`` have passed, None at the end. Raises Slow, Gone."""
        if self.ended:
            return None
        allowed = self.seconds_left()
        wait = allowed if at_most_seconds is None else min(allowed, at_most_seconds)
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._receive())
        await asyncio.wait({self._pending}, timeout=max(0.0, wait))
        if not self._pending.done():
            if wait < allowed:
                return b""
            raise Slow
        message, self._pending = self._pending.result(), None
        if message["type"] == "http.disconnect":
            self.ended = True
            raise Gone
        block: bytes = message.get("body", b"")
        self.received += len(block)
        self.ended = not message.get("more_body", False)
        return block or (None if self.ended else b"")

    async def drain(self) -> None:
        """After an answer that came before the end of the body: take and drop some of the rest, so that a client that
        sends before it reads finds the answer and not a broken connection."""
        until, most = time.monotonic() + DRAIN_SECONDS, self.received + DRAIN_BYTES
        with contextlib.suppress(Slow, Gone):
            while (left := until - time.monotonic()) > 0 and self.received < most:
                if await self.block(left) is None:
                    return

    def left(self) -> asyncio.Future[None]:
        """Done when the client goes away. Only after the whole body was read."""

        async def wait() -> None:
            while (await self._receive())["type"] != "http.disconnect":
                pass

        return asyncio.ensure_future(wait())


async def collect(incoming: Incoming, *, largest: int, folder: Path, disk: Executor) -> IO[bytes]:
    """The whole body, at its start. What does not fit into memory is in a file without a name in ``folder``, which
    ends with the process. Raises Refused (408, 413, 507), Gone."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=str(folder))  # noqa: SIM115  the caller closes it
    loop = asyncio.get_running_loop()
    try:
        while (block := await incoming.block()) is not None:
            if incoming.received > largest:
                raise too_large(largest)
            if incoming.received <= IN_MEMORY:
                file.write(block)
            else:
                await loop.run_in_executor(disk, file.write, block)
        await loop.run_in_executor(disk, partial(file.seek, 0)) if incoming.received > IN_MEMORY else file.seek(0)
    except Slow:
        file.close()
        raise Refused(408, "The request came too slowly. Send it again.") from None
    except OSError as error:
        file.close()
        if is_disk_full(error):
            raise Refused(507, "There is not enough space on the server's disk for this request.") from error
        raise
    except BaseException:
        file.close()
        raise
    return file


def too_large(largest: int) -> Refused:
    shown = f"{largest / 1024**2:.0f} MB" if largest >= 1024**2 else f"{largest} bytes"
    return Refused(413, f"This address takes at most {shown}. Files are uploaded on the page Upload.")


def clean(folder: Path, *, older_than: float = 0.0) -> int:
    """Delete what killed processes left in ``folder``, if it is older than so many seconds; returns how many files."""
    return sum(_removed(path, older_than) for path in _files(folder))


def _files(folder: Path) -> Iterable[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _removed(path: Path, older_than: float) -> bool:
    try:
        if time.time() - path.stat().st_mtime < older_than:
            return False
        path.unlink()
    except OSError:  # another process was faster
        return False
    return True
