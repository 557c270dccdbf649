"""The parts of the web process that need no server: limits, routes, bodies, pieces, streams."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse

from apps.core.middleware import ReadableMiddleware
from apps.videos.streaming import FileSpan
from vsearch.env import EnvironmentProblem, choice, pairs
from vsearch.web import pieces, sending
from vsearch.web.answers import Answer
from vsearch.web.application import _headers_of
from vsearch.web.bodies import Incoming, Slow, collect
from vsearch.web.clients import clients_of
from vsearch.web.exceptions import Gone, Refused
from vsearch.web.limits import FORM_PACE, MIB, Pace, Slots
from vsearch.web.routes import Body, Pool, route_of
from vsearch.web.threads import ReadableRequest, environ_of, with_body

NO_HURRY = Pace(idle_seconds=60, grace_seconds=60, bytes_per_second=1)
DISK = ThreadPoolExecutor(1)


def body(*blocks: bytes, then: str = "end") -> Callable[[], Any]:
    """A server's ``receive``: these blocks, and then the end, a broken connection or silence."""
    messages = [{"type": "http.request", "body": block, "more_body": True} for block in blocks]
    if then == "end":
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    if then == "broken":
        messages.append({"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    return receive


def test_a_pace_allows_gaps_and_slow_starts_but_no_trickle() -> None:
    assert FORM_PACE.seconds_left(0, 0) == FORM_PACE.idle_seconds
    assert FORM_PACE.seconds_left(29, 10) < 2
    assert FORM_PACE.seconds_left(31, 100) < 0
    assert FORM_PACE.seconds_left(100, MIB) == FORM_PACE.idle_seconds


@pytest.mark.parametrize(("size", "on_disk"), [(10, False), (200_000, True)])
def test_a_body_is_collected_and_a_large_one_on_disk(tmp_path: Path, size: int, on_disk: bool) -> None:
    async def run() -> None:
        incoming = Incoming(body(b"x" * (size // 2), b"x" * (size - size // 2)), NO_HURRY)
        with await collect(incoming, largest=MIB, folder=tmp_path, disk=DISK) as file:
            assert file.read() == b"x" * size
            assert file._rolled is on_disk  # type: ignore[attr-defined]
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("receive", "pace", "error"),
    [
        (body(b"x" * 11), NO_HURRY, 413),
        (body(b"x", then="silence"), Pace(0.05, 60, 1), 408),
        (body(b"x", then="silence"), Pace(60, 0.05, 1000), 408),
        (body(b"x", then="broken"), NO_HURRY, None),
    ],
)
def test_a_body_that_is_too_large_too_slow_or_broken(
    tmp_path: Path, receive: Callable[[], Any], pace: Pace, error: int | None
) -> None:
    with pytest.raises((Refused, Gone)) as raised:
        asyncio.run(collect(Incoming(receive, pace), largest=10, folder=tmp_path, disk=DISK))
    assert getattr(raised.value, "status", None) == error


def test_slots_are_counted_for_each_client_and_for_all_and_given_back() -> None:
    slots = Slots("things", total=3, each=2)
    with slots.hold(["a", "login"]), slots.hold(["a"]):
        for clients, status in ((["a"], 429), (["b", "a"], 429)):
            with pytest.raises(Refused) as refused, slots.hold(clients):
                pass
            assert refused.value.status == status
        with slots.hold(["b"]):
            with pytest.raises(Refused) as refused, slots.hold(["c"]):
                pass
            assert refused.value.status == 503
    assert (slots.held, dict(slots.by_client)) == (0, {})


def test_an_address_and_a_login_are_counted() -> None:
    assert clients_of("1.2.3.4", {}) == ["address 1.2.3.4"]
    with_session = clients_of("1.2.3.4", {"cookie": "csrftoken=x; sessionid=secret"})
    assert len(with_session) == 2 and "secret" not in with_session[1]
    assert clients_of("5.6.7.8", {"cookie": "sessionid=secret"})[1] == with_session[1]
    assert clients_of("1.2.3.4", {"authorization": "Bearer vs_x"})[1] not in with_session


VIDEO = "01234567-89ab-cdef-0123-456789abcdef"
TUS = "application/offset+octet-stream"


@pytest.mark.parametrize(
    ("method", "path", "kind", "pool", "takes"),
    [
        ("GET", "/healthz", "", Pool.HEALTH, Body.SMALL),
        ("GET", "/readyz", "", Pool.STATUS, Body.SMALL),
        ("GET", "/static/css/app.css", "", Pool.STATIC, Body.SMALL),
        ("GET", "/", "", Pool.SEARCH, Body.SMALL),
        ("POST", "/", "", Pool.PAGES, Body.SMALL),
        ("GET", f"/videos/{VIDEO}/stream", "", Pool.MEDIA, Body.SMALL),
        ("GET", f"/videos/{VIDEO}", "", Pool.PAGES, Body.SMALL),
        ("PATCH", f"/api/v1/uploads/{VIDEO}", TUS, Pool.UPLOADS, Body.PIECES),
        ("PATCH", f"/api/v1/uploads/{VIDEO}", "text/plain", Pool.UPLOADS, Body.SMALL),
        ("POST", "/api/v1/uploads", TUS, Pool.UPLOADS, Body.PIECES),
        ("POST", "/find", "multipart/form-data", Pool.PAGES, Body.FILE),
        ("POST", "/training/datasets/new", "multipart/form-data", Pool.PAGES, Body.FILE),
        ("POST", "/accounts/login", "multipart/form-data", Pool.PAGES, Body.SMALL),
    ],
)
def test_an_address_has_its_threads_and_its_body(method: str, path: str, kind: str, pool: Pool, takes: Body) -> None:
    route = route_of(method, path, kind)
    assert (route.pool, route.body) == (pool, takes)
    assert (route.largest_body > MIB) is (takes == Body.FILE)


def asked_of_django(appends: list[tuple[int, bytes]]) -> Callable[[dict[str, Any]], Any]:
    """Stands for the view: notes offset and bytes, and answers as it does."""

    async def ask(environ: dict[str, Any]) -> Answer:
        offset, block = int(environ["HTTP_UPLOAD_OFFSET"]), environ["wsgi.input"].read()
        assert int(environ["CONTENT_LENGTH"]) == len(block)
        appends.append((offset, block))
        return Answer(204, [(b"Upload-Offset", str(offset + len(block)).encode())])

    return ask


def append(receive: Callable[[], Any], length: int | None, pace: Pace = NO_HURRY) -> list[tuple[int, bytes]]:
    appends: list[tuple[int, bytes]] = []

    async def run() -> None:
        incoming = Incoming(receive, pace)
        environ = {"HTTP_UPLOAD_OFFSET": "5"}
        await pieces.Pieces().append(environ, incoming, length, asked_of_django(appends))

    try:
        asyncio.run(run())
    except (Gone, Refused):
        appends.append((-1, b""))
    return appends


def test_a_long_upload_becomes_pieces_with_their_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "LARGEST_PIECE", 4)
    assert append(body(b"abcd", b"efgh", b"i"), 9) == [(5, b"abcd"), (9, b"efgh"), (13, b"i")]
    assert append(body(b"abcd", b"efgh"), None) == [(5, b"abcd"), (9, b"efgh")]
    assert append(body(), 0) == [(5, b"")]


def test_what_arrived_is_handed_on_when_the_client_goes_away_or_falls_silent() -> None:
    assert append(body(b"abc", then="broken"), 9) == [(5, b"abc"), (-1, b"")]
    assert append(body(b"abc", then="silence"), 9, Pace(0.05, 60, 1)) == [(5, b"abc"), (-1, b"")]
    assert append(body(then="broken"), 9) == [(-1, b"")]


def test_a_slow_upload_is_handed_on_before_a_piece_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "KEEP_SECONDS", 0.05)
    assert append(body(b"abc", then="silence"), 9, Pace(0.3, 60, 1)) == [(5, b"abc"), (-1, b"")]


def test_many_uploads_have_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MEMORY", 8)
    monkeypatch.setattr(pieces, "SMALLEST_PIECE", 1)
    both: list[list[tuple[int, bytes]]] = [[], []]

    async def run() -> None:
        shared = pieces.Pieces()
        environ = {"HTTP_UPLOAD_OFFSET": "0"}
        await asyncio.gather(
            *(
                shared.append(environ, Incoming(body(*[b"abcd"] * 4), NO_HURRY), 16, asked_of_django(each))
                for each in both
            )
        )

    asyncio.run(run())
    assert all(len(block) <= 4 for each in both for _, block in each)


def span_of(path: Path, content: bytes) -> FileSpan:
    path.write_bytes(content)
    return FileSpan(os.open(path, os.O_RDONLY), 0, len(content))


def closed(span: FileSpan) -> bool:
    try:
        os.fstat(span.descriptor)
    except OSError:
        return True
    return False


@pytest.mark.parametrize("ends", ["at its end", "client gone", "client stalled"])
def test_a_stream_closes_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    content = os.urandom(sending.BLOCK_BYTES * 3 + 5)
    span = span_of(tmp_path / "file", content)
    sent = []
    monkeypatch.setattr(sending, "WRITE_SECONDS", 0.2 if ends == "client stalled" else 60)

    async def run() -> None:
        gone = asyncio.get_running_loop().create_future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message.get("body", b""))
            if len(sent) == 2 and ends != "at its end":
                if ends == "client gone":
                    gone.set_result(None)
                await asyncio.sleep(3600)

        streams = sending.Streams(Slots("videos", total=1, each=1), DISK)
        try:
            await streams.send(send, Answer(200, []), span, ["a"], gone)
        except Gone:
            assert ends != "at its end"

    asyncio.run(run())
    assert closed(span)
    assert (b"".join(sent) == content) is (ends == "at its end")


def test_the_stream_that_is_paused_longest_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "STALLED_SECONDS", 0.0)
    ended: list[str] = []

    async def run() -> None:
        gone = asyncio.get_running_loop().create_future()
        streams = sending.Streams(Slots("videos", total=10, each=1), DISK)

        async def stalls(_: dict[str, Any]) -> None:
            await asyncio.sleep(3600)

        async def takes(_: dict[str, Any]) -> None:
            return None

        async def player(name: str, client: str, send: Callable[[dict[str, Any]], Any]) -> None:
            try:
                await streams.send(send, Answer(200, []), span_of(tmp_path / name, b"x"), [client], gone)
                ended.append(f"{name} whole")
            except Gone:
                ended.append(f"{name} closed")

        first = asyncio.ensure_future(player("first", "a", stalls))
        other = asyncio.ensure_future(player("other", "b", stalls))
        await asyncio.sleep(0.05)
        await player("second", "a", takes)
        assert not other.done()
        other.cancel()
        await asyncio.wait({first, other})

    asyncio.run(run())
    assert ended[:2] == ["first closed", "second whole"]


def test_headers_that_only_look_like_others_are_dropped() -> None:
    headers = _headers_of([(b"X-A", b"1"), (b"x-a", b"2"), (b"X_A", b"3"), (b"Cookie", b"a=1"), (b"cookie", b"b=2")])
    scope = {"raw_path": b"/a%20b", "query_string": b"x=1", "http_version": "1.1", "client": ("1.2.3.4", "5")}
    environ = environ_of(scope, "GET", headers)
    assert (environ["HTTP_X_A"], environ["HTTP_COOKIE"]) == ("1,2", "a=1; b=2")
    assert (environ["PATH_INFO"], environ["REMOTE_ADDR"]) == ("/a b", "1.2.3.4")


@pytest.mark.parametrize("charset", ["hex", "rot13", "zlib", "no-such", "utf-7"])
def test_a_charset_that_is_not_for_text_is_refused(charset: str) -> None:
    kind = {"content-type": f"text/plain; charset={charset}", "host": "localhost"}
    scope = {"raw_path": b"/api/v1/search", "query_string": b"q=a", "http_version": "1.1"}
    request = ReadableRequest(with_body(environ_of(scope, "GET", kind), io.BytesIO(), 0))
    assert request.GET["q"] == "a"
    answer = ReadableMiddleware(lambda request: HttpResponse())(request)
    assert (answer.status_code, answer["Content-Type"]) == (415, "application/problem+json")


def test_settings_of_the_proxy_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME", "/srv/media/=/a, /videos=/b")
    assert pairs("SOME") == {"/srv/media": "/a", "/videos": "/b"}
    with pytest.raises(EnvironmentProblem, match="one of: x"):
        choice("SOME", ("", "x"))
    monkeypatch.setenv("SOME", "/srv/media")
    with pytest.raises(EnvironmentProblem, match="folder=address"):
        pairs("SOME")


def test_slow_is_an_error_of_its_own() -> None:
    with pytest.raises(Slow):
        asyncio.run(Incoming(body(then="silence"), Pace(0.01, 1, 1)).block())
