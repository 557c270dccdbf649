"""Clients that send or read slowly hold no thread: everything else is answered beside them.

SLOW_CLIENTS=500 makes it as large as benchmarks/slow_clients.py measures it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from tusclient.client import TusClient

from apps.accounts.tokens import scopes_open_to, token_create
from apps.duplicates.models import Lookup
from apps.videos.models import Upload, Video
from apps.videos.uploads import upload_create
from tests.apps.people import imported, user
from tests.faults.web import TUS, Web, head
from tests.platform.servers import wait_until
from vsearch.web.pieces import LARGEST_PIECE

CLIENTS = int(os.environ.get("SLOW_CLIENTS", "60"))
VIDEO = os.urandom(1024**2) * 8

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def video(web: Web, tmp_path: Path) -> Video:
    return imported(tmp_path / "library", VIDEO, title="a walk on the beach")


@contextlib.contextmanager
def held(connections: list[socket.socket]) -> Iterator[None]:
    try:
        yield
    finally:
        for one in connections:
            one.close()


def everything_answers(web: Web, video: Video) -> None:
    assert web.ask("/healthz").status == 200
    assert "beach" in web.ask("/?q=beach").body.decode()
    assert web.ask("/accounts/login").status == 200
    part = web.ask(f"/videos/{video.id}/stream", headers={"Range": "bytes=5000000-5999999"})
    assert (part.status, part.body) == (206, VIDEO[5_000_000:6_000_000])


def test_players_that_are_paused(web: Web, video: Video) -> None:
    players = [web.connect(number, receive_bytes=4096) for number in range(CLIENTS)]
    with held(players):
        for player in players:
            player.sendall(head("GET", f"/videos/{video.id}/stream"))
            assert player.recv(12) == b"HTTP/1.1 200"
        everything_answers(web, video)
        assert len(web.open_files(Path(video.path).parent)) == CLIENTS
        # A player that goes on gets every byte.
        rest = players[0].makefile("rb").read().partition(b"\r\n\r\n")[2]
        assert rest == VIDEO


def test_files_are_closed_when_players_go_away(web: Web, video: Video) -> None:
    players = [web.connect(number, receive_bytes=4096) for number in range(5)]
    with held(players):
        for player in players:
            player.sendall(head("GET", f"/videos/{video.id}/stream"))
            assert player.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: not web.open_files(Path(video.path).parent), "the files of players that are away are closed")


def test_forms_and_heads_that_come_byte_by_byte(web: Web, video: Video) -> None:
    forms = [web.connect(number) for number in range(CLIENTS)]
    heads = [web.connect(number) for number in range(CLIENTS)]
    with held([*forms, *heads]):
        for form in forms:
            form.sendall(head("POST", "/accounts/login", content_length=1000) + b"username=a")
        for one in heads:
            one.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        everything_answers(web, video)
        for form in forms:
            form.sendall(b"b")
        everything_answers(web, video)


def test_uploads_that_come_byte_by_byte_and_what_arrived_stays(web: Web, video: Video) -> None:
    uploads = [new_upload() for _ in range(CLIENTS)]
    senders = [web.connect(number) for number in range(CLIENTS)]
    with held(senders):
        for sender, upload in zip(senders, uploads, strict=True):
            sender.sendall(patch(upload, length=1000) + b"x" * 100)
        everything_answers(web, video)
        for sender in senders:
            sender.sendall(b"y")
        everything_answers(web, video)
    wait_until(lambda: all(upload.path.stat().st_size == 101 for upload in uploads), "what arrived is stored")
    again = web.connect()
    with held([again]):
        again.sendall(patch(uploads[0], offset=101, length=899) + b"z" * 899)
        assert again.recv(12) == b"HTTP/1.1 204"
    assert Video.objects.filter(size_bytes=1000).count() == 1


def test_an_upload_in_one_request_is_stored_piece_by_piece(web: Web) -> None:
    upload = new_upload(length=len(VIDEO) * 3)
    sender = web.connect()
    with held([sender]):
        sender.sendall(patch(upload, length=len(VIDEO) * 3) + VIDEO)
        wait_until(lambda: upload.path.stat().st_size >= LARGEST_PIECE, "the first piece is stored")
        sender.sendall(VIDEO + VIDEO)
        answer = sender.recv(4096)
    assert answer.startswith(b"HTTP/1.1 204")
    assert f"upload-offset: {len(VIDEO) * 3}".encode() in answer.lower()
    assert Path(Video.objects.get().path).read_bytes() == VIDEO * 3


def test_more_bytes_than_announced_are_refused_before_one_is_stored(web: Web) -> None:
    upload = new_upload(length=len(VIDEO))
    sender = web.connect()
    with held([sender]):
        # All of it: who sends before it reads must still find the answer, and not a broken connection.
        sender.sendall(patch(upload, length=len(VIDEO) * 2) + VIDEO + VIDEO)
        assert sender.recv(12) == b"HTTP/1.1 413"
    assert upload.path.stat().st_size == 0


def test_a_creation_that_brings_its_bytes_along(web: Web) -> None:
    name = base64.b64encode(b"beach.mp4").decode()
    owner = user(is_superuser=True)
    made = web.ask(
        "/api/v1/uploads",
        "POST",
        body=VIDEO,
        headers={**TUS, **bearer(owner), "Upload-Length": str(len(VIDEO)), "Upload-Metadata": f"filename {name}",
                 "Content-Type": "application/offset+octet-stream"},
    )  # fmt: skip
    assert (made.status, made.headers["upload-offset"]) == (201, str(len(VIDEO)))
    assert json.loads(made.headers["upload-result"])["id"] == str(Video.objects.get().id)
    assert web.ask(made.headers["location"], "HEAD", headers=bearer(owner)).headers["upload-offset"] == str(len(VIDEO))


def test_a_visitors_lookup_brings_its_bytes_along_with_its_creation(web: Web) -> None:
    told = f"filename {base64.b64encode(b'a.mp4').decode()},purpose {base64.b64encode(b'lookup').decode()}"
    made = web.ask(
        "/api/v1/uploads",
        "POST",
        body=VIDEO,
        headers={**TUS, "Upload-Length": str(len(VIDEO)), "Upload-Metadata": told,
                 "Content-Type": "application/offset+octet-stream"},
    )  # fmt: skip
    assert (made.status, made.headers["upload-offset"]) == (201, str(len(VIDEO)))
    assert json.loads(made.headers["upload-result"])["id"] == str(Lookup.objects.get().id)


def test_a_patch_that_is_sent_as_a_post(web: Web) -> None:
    upload = new_upload(length=len(VIDEO))
    headers = {**TUS, **bearer(upload.owner), "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH",
               "Content-Type": "application/offset+octet-stream"}  # fmt: skip
    sent = web.ask(f"/api/v1/uploads/{upload.id}", "POST", body=VIDEO, headers=headers)
    assert (sent.status, sent.headers["upload-offset"]) == (204, str(len(VIDEO)))
    assert Path(Video.objects.get().path).read_bytes() == VIDEO


def test_another_client_uploads_in_chunks_and_goes_on_after_a_stop(web: Web, tmp_path: Path) -> None:
    """tuspy, the client that the tus project keeps for Python."""
    file = tmp_path / "beach.mp4"
    file.write_bytes(VIDEO)
    client = TusClient(f"http://127.0.0.1:{web.port}/api/v1/uploads", headers=bearer(user(is_superuser=True)))
    chunk = len(VIDEO) // 3 + 1
    started = client.uploader(str(file), chunk_size=chunk, metadata={"filename": file.name})
    started.upload_chunk()
    again = client.uploader(str(file), chunk_size=chunk, url=started.url)
    assert again.get_offset() == chunk
    again.upload()
    assert again.offset == len(VIDEO)
    assert Path(Video.objects.get().path).read_bytes() == VIDEO


def new_upload(length: int = 1000) -> Upload:
    return upload_create(file_name="a.mp4", length=length, purpose="library", owner=user(is_superuser=True))


def bearer(person: User | None) -> dict[str, str]:
    assert person is not None
    token = token_create(user=person, name="test", scopes=scopes_open_to(person))[1]
    return {"Authorization": f"Bearer {token}"}


def patch(upload: Upload, *, length: int, offset: int = 0) -> bytes:
    return head(
        "PATCH", f"/api/v1/uploads/{upload.id}", content_length=length, upload_offset=offset, tus_resumable="1.0.0",
        content_type="application/offset+octet-stream", authorization=bearer(upload.owner)["Authorization"],
    )  # fmt: skip
