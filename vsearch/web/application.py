"""The web process: an ASGI application of its own around Django, which stays synchronous.

The event loop has everything that waits for a client: bodies that come, files that go. Django runs in a few threads
and sees only whole requests, so no client can hold one of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings

from vsearch.lifetime import FileLock
from vsearch.web.answers import Answer
from vsearch.web.bodies import Incoming, Receive, clean, collect, too_large
from vsearch.web.clients import clients_of
from vsearch.web.exceptions import Gone, Refused
from vsearch.web.gate import may_send
from vsearch.web.limits import Slots
from vsearch.web.pieces import Pieces
from vsearch.web.refusals import broken, refusal
from vsearch.web.routes import SMALL_BODY, Body, Pool, Route, route_of
from vsearch.web.sending import Send, Streams, send_blocks, send_whole
from vsearch.web.sockets import guard_listeners
from vsearch.web.threads import Django, Environ, Threads, environ_of, with_body

log = logging.getLogger(__name__)

DISK_THREADS = 8
OLD_SECONDS = 24 * 3600.0  # no request lasts so long: a file of a killed process


@dataclass
class _Request:
    """What the steps of one request share."""

    environ: Environ
    meant: str  # the method, after X-HTTP-Method-Override
    route: Route
    incoming: Incoming
    clients: Sequence[str]
    length: int | None  # of the body, when the client says it
    _gone: asyncio.Future[None] | None = None

    def gone(self) -> asyncio.Future[None]:
        """Done when the client goes away. Only after the whole body was read."""
        if self._gone is None:
            self._gone = self.incoming.left()
        return self._gone

    def forget(self) -> None:
        if self._gone is not None:
            self._gone.cancel()


class Application:
    def __init__(self) -> None:
        each = settings.STREAMS_PER_CLIENT
        self._disk = ThreadPoolExecutor(DISK_THREADS, "web-disk")
        self._threads = Threads()
        self._django = Django()
        self._pieces = Pieces()
        self._streams = Streams(Slots("videos", total=4096, each=each), self._disk)
        self._slots = {
            Body.SMALL: Slots("requests", total=4096, each=256),
            Body.FILE: Slots("forms with files", total=64, each=8),
            Body.PIECES: Slots("uploads", total=1024, each=256),
        }
        self._at_work = Slots(
            "requests", total=2048, each=256
        )  # a proxy with HTTP/2 asks for all pictures of a page at once
        self._folder = Path(settings.FILE_UPLOAD_TEMP_DIR)
        self._lock = FileLock(settings.DATA_DIR / "incoming.lock")
        self._folder_prepare()

    def _folder_prepare(self) -> None:
        """Bodies on their way. What a killed process left is deleted when no other web process runs."""
        self._folder.mkdir(parents=True, exist_ok=True)
        alone = self._lock.try_own()
        clean(self._folder, older_than=0.0 if alone else OLD_SECONDS)
        self._lock.share()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        guard = asyncio.ensure_future(guard_listeners())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        guard.cancel()
        self._threads.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request = _request_of(scope, receive)
        try:
            try:
                answer = await (self._in_pieces(request) if request.route.body == Body.PIECES else self._whole(request))
                await self._send(answer, request, send)
            except Refused as refused:
                await send_whole(send, refusal(scope["path"], refused))
            await request.incoming.drain()
        except Gone:
            pass
        except Exception:
            log.exception("%s %s", scope["method"], scope["path"])
            with contextlib.suppress(Gone):
                await send_whole(send, broken())
        finally:
            request.forget()

    async def _in_pieces(self, request: _Request) -> Answer:
        step = self._pieces.create if request.meant == "POST" else self._pieces.append
        with self._slots[Body.PIECES].hold(request.clients):
            return await step(request.environ, request.incoming, request.length, partial(self._ask, request))

    async def _whole(self, request: _Request) -> Answer:
        route = request.route
        if request.length is not None and request.length > route.largest_body:
            raise too_large(route.largest_body)
        with self._slots[route.body].hold(request.clients):
            if route.body == Body.FILE and (request.length is None or request.length > SMALL_BODY):
                await self._threads.run(Pool.PAGES, partial(may_send, request.environ, route, request.length or 0))
            body = await collect(request.incoming, largest=route.largest_body, folder=self._folder, disk=self._disk)
        with body:
            return await self._ask(request, with_body(request.environ, body, request.incoming.received))

    async def _ask(self, request: _Request, environ: Environ) -> Answer:
        with self._at_work.hold(request.clients):
            answer = partial(self._django.answer, environ)
            gone = request.gone() if request.route.body != Body.PIECES else None  # bytes that came are kept anyway
            return await self._threads.run(request.route.pool, answer, gone)

    async def _send(self, answer: Answer, request: _Request, send: Send) -> None:
        if answer.span is not None:
            await self._streams.send(send, answer, answer.span, request.clients, request.gone())
        elif answer.blocks is not None:
            following = partial(self._threads.run, Pool.STATIC, partial(next, answer.blocks, None))
            try:
                await send_blocks(send, answer, following)
            finally:
                if answer.close is not None:
                    await self._threads.run(Pool.STATIC, answer.close)
        else:
            await send_whole(send, answer)


def _request_of(scope: dict[str, Any], receive: Receive) -> _Request:
    headers = _headers_of(scope["headers"])
    method, path = scope["method"], scope["path"]
    meant = headers.get("x-http-method-override", method).upper() if method == "POST" else method
    route = route_of(meant, path, headers.get("content-type", ""))
    length = headers.get("content-length", "")
    environ = environ_of(scope, method, headers)
    return _Request(
        environ=environ,
        meant=meant,
        route=route,
        incoming=Incoming(receive, route.pace),
        clients=clients_of(environ["REMOTE_ADDR"], headers),
        length=int(length) if length.isascii() and length.isdigit() else None,
    )


def _headers_of(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """By lower-case name; what came twice is joined as in RFC 9110."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        if name in headers:
            value = f"{headers[name]}{'; ' if name == 'cookie' else ','}{value}"
        headers[name] = value
    return headers
