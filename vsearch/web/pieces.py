"""Hands a resumable upload to Django in pieces while it comes, each as a whole PATCH with its own offset.

So a slow upload holds no thread, every piece passes login, lock and limits as always, and what arrived before a
connection broke stays. What is in memory is bounded: the more uploads there are, the smaller their pieces.
"""

from __future__ import annotations

import asyncio
import io
import random
import time
from collections.abc import Awaitable, Callable

from apps.api.uploads import FOLLOWS
from vsearch.web.answers import Answer
from vsearch.web.bodies import Incoming, Slow
from vsearch.web.exceptions import Gone, Refused
from vsearch.web.limits import KIB, MIB
from vsearch.web.threads import Environ, with_body

# One piece costs a few queries, so quick uploads get large ones.
LARGEST_PIECE = 8 * MIB
SMALLEST_PIECE = 64 * KIB
MEMORY = 128 * MIB  # of all pieces in this process, twice: one is collected, one is written
KEEP_SECONDS = 30.0  # on average; after that a slow upload's bytes are written, however few

Ask = Callable[[Environ], Awaitable[Answer]]


class Pieces:
    def __init__(self) -> None:
        self._open = 0

    async def append(self, environ: Environ, incoming: Incoming, length: int | None, ask: Ask) -> Answer:
        """A PATCH. ``length``: bytes of the body, None when the client did not say. Raises Refused (408), Gone."""
        offset = _number(environ.get("HTTP_UPLOAD_OFFSET", ""))
        if offset is None:
            return await ask(with_body(environ, io.BytesIO(), 0))
        self._open += 1
        try:
            return await self._append(environ, incoming, (offset, length), ask)
        finally:
            self._open -= 1

    async def create(self, environ: Environ, incoming: Incoming, length: int | None, ask: Ask) -> Answer:
        """A POST that brings the first bytes, or all, along: the creation, then the same as a PATCH would do."""
        made = await ask(with_body(environ, io.BytesIO(), 0))
        address = made.header("Location")
        if made.status != 201 or address is None or made.header("Upload-Offset") != "0":
            return made
        headers = {"REQUEST_METHOD": "PATCH", "PATH_INFO": address, "HTTP_UPLOAD_OFFSET": "0"}
        if started := made.header("Set-Cookie"):  # a visitor's session, which the upload belongs to
            headers["HTTP_COOKIE"] = started.partition(";")[0]
        try:
            sent = await self.append({**environ, **headers}, incoming, length, ask)
        except Refused:
            return made  # the upload exists; its client continues from its offset
        if sent.status >= 300:
            return made
        for name in ("Upload-Offset", "Upload-Expires", "Upload-Result"):
            if (value := sent.header(name)) is not None:
                made.put(name, value)
        return made

    async def _append(self, environ: Environ, incoming: Incoming, told: tuple[int, int | None], ask: Ask) -> Answer:
        """While Django writes a piece, the next one is collected."""
        offset, length = told
        writing: asyncio.Task[Answer] | None = None
        while True:
            blocks: list[bytes] = []
            problem = await self._piece(incoming, blocks)
            piece = b"".join(blocks)
            if writing is not None:
                answer = await writing
                if answer.status >= 300 or answer.header("Upload-Offset") != str(offset):
                    return answer
                if not piece and problem is None:
                    return answer  # the body ended with the piece before
            if piece or problem is None:
                follows = max(0, length - incoming.received) if length is not None else 0
                one = {**environ, "HTTP_UPLOAD_OFFSET": str(offset), FOLLOWS: follows}
                writing = asyncio.ensure_future(ask(with_body(one, io.BytesIO(piece), len(piece))))
                offset += len(piece)
                if incoming.ended or problem is not None:
                    answer = await writing
            if problem is not None:
                raise _end(problem)
            if incoming.ended:
                return answer

    async def _piece(self, incoming: Incoming, blocks: list[bytes]) -> Slow | Gone | None:
        """Collect into ``blocks`` until the piece is large or old enough, or the body ends; what broke it off."""
        # Not to the second: hundreds of uploads that began together must not all be written at once.
        size, until = 0, time.monotonic() + KEEP_SECONDS * random.uniform(0.5, 1.5)
        try:
            while size < min(LARGEST_PIECE, max(SMALLEST_PIECE, MEMORY // self._open)):
                left = until - time.monotonic()
                if size and left <= 0:
                    break
                block = await incoming.block(left if size else None)
                if block is None:
                    break
                blocks.append(block)
                size += len(block)
        except (Slow, Gone) as problem:
            return problem
        return None


def _end(problem: Slow | Gone) -> Refused | Gone:
    if isinstance(problem, Gone):
        return problem
    return Refused(408, "The bytes came too slowly. Ask for the offset and continue.")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
