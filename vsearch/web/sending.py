"""Sends answers outside the threads. What a client does not take waits here, where it costs a block of memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from apps.videos.streaming import FileSpan
from vsearch.web.answers import Answer
from vsearch.web.exceptions import Gone
from vsearch.web.limits import ALL, KIB, WRITE_SECONDS, Slots

Send = Callable[[dict[str, Any]], Awaitable[None]]

BLOCK_BYTES = 256 * KIB
STALLED_SECONDS = 10.0  # a stream that nobody took from for so long makes room for a new one


async def send_head(send: Send, answer: Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})


async def send_whole(send: Send, answer: Answer) -> None:
    await send_head(send, answer)
    await _send(send, answer.body, more=False)


async def _send(send: Send, body: bytes, *, more: bool) -> None:
    """Raises Gone when the client takes nothing for ``WRITE_SECONDS``."""
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": more})
    except TimeoutError as error:
        raise Gone from error


async def send_blocks(send: Send, answer: Answer, following: Callable[[], Awaitable[bytes | None]]) -> None:
    """``following`` computes the next block, or None at the end."""
    await send_head(send, answer)
    while (block := await following()) is not None:
        await _send(send, block, more=True)
    await _send(send, b"", more=False)


@dataclass
class _Stream:
    clients: Sequence[str]
    task: asyncio.Task[Any]
    moved_at: float


class Streams:
    """Files on their way to players."""

    def __init__(self, slots: Slots, disk: Executor) -> None:
        self._slots, self._disk = slots, disk
        self._open: dict[int, _Stream] = {}

    async def send(
        self, send: Send, answer: Answer, span: FileSpan, clients: Sequence[str], gone: asyncio.Future[None]
    ) -> None:
        """Closes the file in every case. Raises Refused (429, 503), and Gone when the stream ended early."""
        try:
            await self._make_room(clients)
            with self._slots.hold(clients), self._ended_by(gone, clients) as stream:
                await send_head(send, answer)
                await self._send_span(send, span, stream)
        finally:
            span.close()

    async def _send_span(self, send: Send, span: FileSpan, stream: _Stream) -> None:
        loop = asyncio.get_running_loop()
        position = span.start
        while position < span.end:
            wanted = min(BLOCK_BYTES, span.end - position)
            block = await loop.run_in_executor(self._disk, span.read, position, wanted)
            if not block:  # the file became shorter: a connection that ends early says so
                raise Gone
            position += len(block)
            await _send(send, block, more=True)
            stream.moved_at = time.monotonic()
        await _send(send, b"", more=False)

    @contextmanager
    def _ended_by(self, gone: asyncio.Future[None], clients: Sequence[str]) -> Iterator[_Stream]:
        """Inside, the task ends (as Gone) when the client goes away or another stream needs its place."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is sent by a task of the event loop")
        stream = _Stream(clients, task, time.monotonic())

        def end(_: asyncio.Future[None]) -> None:
            task.cancel()

        gone.add_done_callback(end)
        self._open[id(stream)] = stream
        try:
            yield stream
        except asyncio.CancelledError:
            task.uncancel()
            raise Gone from None
        finally:
            del self._open[id(stream)]
            gone.remove_done_callback(end)

    async def _make_room(self, clients: Sequence[str]) -> None:
        """End the stream that waits longest for its client: one of the same client, or any when all are taken."""
        full = self._slots.full_for(clients)
        if full is None:
            return
        crowd = [one for one in self._open.values() if full == ALL or full in one.clients]
        longest = min(crowd, key=lambda one: one.moved_at, default=None)
        if longest is not None and time.monotonic() - longest.moved_at > STALLED_SECONDS:
            longest.task.cancel()
            await asyncio.wait({longest.task}, timeout=1)
