"""Searches while many clients read and send slowly, beside the same searches while nobody else asks.

    VSEARCH_DATA_DIR=... python -m benchmarks.slow_clients --url http://127.0.0.1:8000

against a running ``manage.py up`` of the same data directory, which has a video that is larger than all buffers on
the way (100 MB). By default 500 paused players, 200 uploads of 2 KB/s, 200 forms of 1 byte/s and 100 request heads of
1 byte/s, from 100 addresses of the loopback network (Linux). A player takes the head of the answer and then nothing.
Who is cut off comes again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import django
import numpy as np

QUERIES = ("a red car", "beach at sunset", "a dog runs", "snow on a mountain", "people dancing", "a boat on the water",
           "night in the city", "a cat", "trees in the wind", "a train")  # fmt: skip
PATIENCE = 20.0  # seconds; what takes longer counts as not answered
PERSONS = 4


@dataclass
class Load:
    """``ended``: how clients were cut off, by kind."""

    host: str
    port: int
    open: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)

    async def connect(self, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        local = (f"127.0.2.{1 + number % 100}", 0) if self.host.startswith("127.") else None
        return await asyncio.open_connection(self.host, self.port, local_addr=local, limit=2048)

    async def keep(self, kind: str, number: int, act: Callable[..., Coroutine[None, None, None]]) -> None:
        """Run the client again and again."""
        while True:
            try:
                reader, writer = await self.connect(number)
            except OSError:
                self.ended[f"{kind}: no connection"] += 1
                await asyncio.sleep(1)
                continue
            self.open[kind] += 1
            try:
                await act(number, reader, writer)
                self.ended[f"{kind}: answered"] += 1
            except (OSError, asyncio.IncompleteReadError):
                self.ended[f"{kind}: connection closed"] += 1
            finally:
                self.open[kind] -= 1
                writer.close()
            await asyncio.sleep(1)


def head(method: str, path: str, **headers: object) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, block: bytes) -> None:
    """Send ``block`` every second until the server answers or closes."""
    answered = asyncio.ensure_future(reader.read(1))
    while not answered.done():
        writer.write(block)
        await writer.drain()
        await asyncio.wait({answered}, timeout=1)


def player(path: str) -> Callable[..., Coroutine[None, None, None]]:
    async def act(_: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head("GET", path))
        await reader.readexactly(12)
        await asyncio.sleep(3600)  # the reader's limit stops the transport: nothing more is taken

    return act


async def form(_: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    kind = "application/x-www-form-urlencoded"
    writer.write(head("POST", "/accounts/login", content_type=kind, content_length=100_000) + b"username=")
    await trickle(reader, writer, b"x")


async def half_head(_: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
    await trickle(reader, writer, b"x")


def sender(uploads: list[tuple[str, str]]) -> Callable[..., Coroutine[None, None, None]]:
    async def act(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, token = uploads[number]
        shown = {"authorization": f"Bearer {token}", "tus_resumable": "1.0.0"}
        writer.write(head("HEAD", address, **shown))
        offset = 0
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            if line.lower().startswith(b"upload-offset:"):
                offset = int(line.split(b":")[1])
        kind = "application/offset+octet-stream"
        length = 4_000_000 - offset
        writer.write(head("PATCH", address, content_type=kind, content_length=length, upload_offset=offset, **shown))
        await trickle(reader, writer, b"x" * 2048)

    return act


def uploads_made(count: int) -> tuple[list[tuple[str, str]], Callable[[], None]]:
    """(address, token) of new uploads of several people, and what removes all of it."""
    from django.contrib.auth.models import User

    from apps.accounts.tokens import token_create
    from apps.videos.models import Upload
    from apps.videos.uploads import upload_create, upload_remove

    people = [User.objects.create_user(f"slow-{os.getpid()}-{n}", is_superuser=True) for n in range(PERSONS)]
    tokens = [token_create(user=person, name="slow", scopes=["upload"])[1] for person in people]
    made = []
    for number in range(count):
        person = people[number % PERSONS]
        upload = upload_create(file_name="slow.mp4", length=4_000_000, purpose="library", owner=person)
        made.append((f"/api/v1/uploads/{upload.id}", tokens[number % PERSONS]))

    def remove() -> None:
        for upload in Upload.objects.filter(owner__in=people):
            upload_remove(upload)
        for person in people:
            person.delete()

    return made, remove


def seconds_of(url: str) -> float | None:
    """Of one request; None when it was not answered with 200."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
            answer.read()
    except OSError:
        return None
    return time.monotonic() - began


def measured(url: str, searches: int) -> tuple[list[float | None], list[float | None]]:
    """Seconds of searches, and of /healthz asked after each."""
    times: list[float | None] = []
    health: list[float | None] = []
    for query, number in zip(itertools.cycle(QUERIES), range(searches), strict=False):
        times.append(seconds_of(f"{url}/?q={quote(f'{query} {number}')}"))
        health.append(seconds_of(f"{url}/healthz"))
        if times.count(None) + health.count(None) >= 6:
            break
    return times, health


def told(name: str, times: list[float | None]) -> str:
    good = [1000 * one for one in times if one is not None]
    if not good:
        return f"{name}: none of {len(times)} answered within {PATIENCE:.0f} s"
    p50, p95 = np.percentile(good, [50, 95])
    return f"{name}: {len(good)} of {len(times)} answered, p50 {p50:.0f} ms, p95 {p95:.0f} ms"


async def run(options: argparse.Namespace, video: str, uploads: list[tuple[str, str]]) -> None:
    parts = urlsplit(options.url)
    load = Load(parts.hostname or "127.0.0.1", parts.port or 80)
    await asyncio.to_thread(measured, options.url, 10)
    idle = await asyncio.to_thread(measured, options.url, options.searches)
    kinds = (
        ("players", options.players, player(f"/videos/{video}/stream")),
        ("uploads", len(uploads), sender(uploads)),
        ("forms", options.forms, form),
        ("heads", options.heads, half_head),
    )
    tasks = [asyncio.ensure_future(load.keep(kind, n, act)) for kind, count, act in kinds for n in range(count)]
    await asyncio.sleep(10)
    print("open:", dict(load.open), flush=True)
    loaded = await asyncio.to_thread(measured, options.url, options.searches)
    print("open:", dict(load.open), "ended:", dict(load.ended))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(2)
    after = await asyncio.to_thread(measured, options.url, options.searches)
    for name, (times, health) in (("idle", idle), ("slow clients", loaded), ("idle again", after)):
        print(told(f"{name}, search", times))
        print(told(f"{name}, /healthz", health))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--players", type=int, default=500)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--forms", type=int, default=200)
    parser.add_argument("--heads", type=int, default=100)
    parser.add_argument("--searches", type=int, default=150)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    django.setup()
    from apps.videos.models import Video

    video = Video.objects.order_by("-size_bytes").first()
    if video is None:
        parser.error("the library has no video")
    uploads, remove = uploads_made(options.uploads)
    with contextlib.ExitStack() as after:
        after.callback(remove)
        asyncio.run(run(options, str(video.id), uploads))


if __name__ == "__main__":
    main()
