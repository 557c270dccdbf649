"""Runs Django, as it is, in a few threads that stay: each keeps its database connection."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar
from urllib.parse import unquote_to_bytes

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse

from apps.videos.streaming import FileSpan, MediaResponse
from vsearch.web.answers import Answer
from vsearch.web.exceptions import Gone, Refused
from vsearch.web.limits import KIB, RETRY_SECONDS
from vsearch.web.refusals import broken
from vsearch.web.routes import Pool

log = logging.getLogger(__name__)
T = TypeVar("T")
Environ = dict[str, Any]
Pairs = list[tuple[str, str]]

WAITING = 500  # jobs of one pool
WAIT_SECONDS = 30.0  # a job that waited longer is not begun: its client has given up
READ_AT_ONCE = 128 * KIB  # spans up to this size are read in the thread that found them


class Threads:
    """One executor a pool. ``run`` is called from the event loop only."""

    def __init__(self) -> None:
        self._executors = {pool: ThreadPoolExecutor(pool.threads, f"web-{pool.value[0]}") for pool in Pool}
        self._waiting = dict.fromkeys(Pool, 0)

    async def run(self, pool: Pool, job: Callable[[], T], gone: asyncio.Future[None] | None = None) -> T:
        """Refused (503) when too many wait already or this one waited too long. Gone when ``gone`` is done before
        the job begins: nobody waits for it any more."""
        if self._waiting[pool] >= WAITING + pool.threads:
            raise _busy()
        asked = time.monotonic()

        def begun() -> T:
            if gone is not None and gone.done():
                raise Gone
            if time.monotonic() - asked > WAIT_SECONDS:
                raise _busy()
            return job()

        self._waiting[pool] += 1
        future = asyncio.get_running_loop().run_in_executor(self._executors[pool], begun)
        future.add_done_callback(lambda _: self._done(pool))
        return await future

    def _done(self, pool: Pool) -> None:
        self._waiting[pool] -= 1

    def close(self) -> None:
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)


def _busy() -> Refused:
    return Refused(503, "The server has too much to do right now. Try again in a moment.", retry_seconds=RETRY_SECONDS)


def environ_of(scope: dict[str, Any], method: str, headers: dict[str, str]) -> Environ:
    """The WSGI environment of a request without its body.

    A header whose name has an underscore is dropped: it would look like the one with a dash, which a proxy sets.
    """
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in {"content-length", "transfer-encoding"} and "_" not in name:
            environ[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return environ


def with_body(environ: Environ, body: IO[bytes], length: int) -> Environ:
    return {**environ, "wsgi.input": body, "CONTENT_LENGTH": str(length)}


class ReadableRequest(WSGIRequest):
    def _set_content_type_params(self, meta: Environ) -> None:
        """Django itself fails on codecs that are not for text ("hex"); here ReadableMiddleware refuses them."""
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except LookupError:
            self._encoding = None


class _Handler(WSGIHandler):
    request_class = ReadableRequest


class Django:
    """The application as one function of a thread."""

    def __init__(self) -> None:
        self._handler = _Handler()

    def answer(self, environ: Environ) -> Answer:
        heads: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _: object = None, /
        ) -> Callable[[bytes], object]:
            heads.append((status, headers))
            return bytes  # the old way to write, which Django does not use

        try:
            response = self._handler(environ, start_response)
            return _answer(response, *heads[-1])
        except Exception:
            log.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return broken()


def _answer(response: HttpResponseBase, status: str, headers: Pairs) -> Answer:
    answer = Answer(
        int(status.split(" ", 1)[0]), [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    )
    if isinstance(response, MediaResponse):
        span = response.blocks.span()
        response.close()
        _put_span(answer, span)
    elif isinstance(response, StreamingHttpResponse):
        answer.blocks, answer.close = iter(response), response.close
    elif isinstance(response, HttpResponse):
        answer.body = response.content
        response.close()
    return answer


def _put_span(answer: Answer, span: FileSpan) -> None:
    if span.end - span.start > READ_AT_ONCE:
        answer.span = span
        return
    try:
        answer.body = span.read(span.start, span.end - span.start)
    finally:
        span.close()
