"""tus: what a client that loses its connection, its patience or its manners sees."""

from __future__ import annotations

import base64
import errno
import fcntl
import io
import json
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from django.http import UnreadablePostError
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.tokens import token_create
from apps.api.upload_results import become
from apps.core.models import Job
from apps.duplicates.models import Lookup
from apps.videos import uploads
from apps.videos.models import Upload, Video
from apps.videos.registration import upload_video_id
from apps.videos.storage import original_path, place_into
from tests.apps.people import user

pytestmark = pytest.mark.django_db
CONTENT = b"0123456789" * 1000
TUS = {"Tus-Resumable": "1.0.0"}


def told(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


def create(client: Client, *, length: int = len(CONTENT), **metadata: str) -> Any:
    metadata = metadata or {"filename": "holiday.mp4"}
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": told(**metadata)}
    return client.post("/api/v1/uploads", headers=headers)


def append(client: Client, address: str, offset: int, content: bytes) -> Any:
    headers = {**TUS, "Upload-Offset": str(offset)}
    return client.patch(address, content, content_type="application/offset+octet-stream", headers=headers)


@pytest.fixture
def uploader(client: Client) -> Client:
    client.force_login(user("Uploaders"))
    return client


def test_a_file_in_two_pieces_becomes_a_video(uploader: Client, settings: Settings) -> None:
    made = create(uploader)
    address = made["Location"]
    assert (made.status_code, made["Upload-Offset"], made["Tus-Resumable"]) == (201, "0", "1.0.0")
    first = append(uploader, address, 0, CONTENT[:4000])
    assert (first.status_code, first["Upload-Offset"]) == (204, "4000")
    assert "Upload-Result" not in first
    last = append(uploader, address, 4000, CONTENT[4000:])
    video = Video.objects.get()
    result = {"url": f"/videos/{video.id}", "id": str(video.id)}
    assert json.loads(last["Upload-Result"]) == result
    assert uploader.get(address).json()["result"] == result
    assert Path(video.path).read_bytes() == CONTENT
    assert video.original_name == "holiday.mp4"
    assert not list(Path(settings.UPLOAD_DIR).iterdir())


def override(client: Client, address: str, method: str, content: bytes = b"", **headers: str) -> Any:
    told = {
        **TUS,
        "X-HTTP-Method-Override": method,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return client.post(address, content, content_type="application/offset+octet-stream", headers=told)


def test_a_network_that_lets_only_posts_through(uploader: Client) -> None:
    """overridePatchMethod of tus-js-client; HEAD and DELETE may be said the same way."""
    address = create(uploader)["Location"]
    first = override(uploader, address, "PATCH", CONTENT[:4000], Upload_Offset="0")
    assert (first.status_code, first["Upload-Offset"]) == (204, "4000")
    assert override(uploader, address, "head")["Upload-Offset"] == "4000"
    assert override(uploader, address, "PATCH", CONTENT[4000:], Upload_Offset="0").status_code == 409
    last = override(uploader, address, "patch", CONTENT[4000:], Upload_Offset="4000")
    assert json.loads(last["Upload-Result"])["id"] == str(Video.objects.get().id)
    other = create(uploader)["Location"]
    assert override(uploader, other, "DELETE").status_code == 204
    assert uploader.get(other).status_code == 404
    for method in ("GET", "PUT", "nonsense", ""):
        assert override(uploader, address, method).status_code == 405
    assert uploader.get(address, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200  # only a POST


def test_an_override_passes_neither_csrf_nor_the_owner(uploader: Client) -> None:
    address = create(uploader)["Location"]
    stranger = Client()
    stranger.force_login(user("Uploaders"))
    assert override(stranger, address, "DELETE").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = uploader.cookies
    assert override(strict, address, "DELETE").status_code == 403
    assert uploader.get(address).status_code == 200


class BreaksOff(io.BytesIO):
    """A body whose connection breaks when its bytes are used up."""

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if not block:
            raise UnreadablePostError("connection reset")
        return block


def test_after_a_broken_patch_the_client_goes_on_where_the_bytes_end(uploader: Client) -> None:
    address = create(uploader)["Location"]
    upload = Upload.objects.get()
    with pytest.raises(UnreadablePostError):
        uploads.upload_append(upload=upload, offset=0, length=len(CONTENT), body=BreaksOff(CONTENT[:6000]))
    asked = uploader.head(address, headers=TUS)
    assert (asked.status_code, asked["Upload-Offset"], asked["Upload-Length"]) == (200, "6000", "10000")
    assert append(uploader, address, 6000, CONTENT[6000:]).status_code == 204
    assert Path(Video.objects.get().path).read_bytes() == CONTENT


def test_a_body_that_ends_early_keeps_what_came(uploader: Client) -> None:
    create(uploader)
    upload = Upload.objects.get()
    assert uploads.upload_append(upload=upload, offset=0, length=5000, body=io.BytesIO(CONTENT[:10])) == 10
    upload.refresh_from_db()
    assert upload.offset == 10


def test_a_wrong_offset_is_409_and_changes_nothing(uploader: Client) -> None:
    address = create(uploader)["Location"]
    append(uploader, address, 0, CONTENT[:100])
    for offset in (0, 99, 101):
        refused = append(uploader, address, offset, b"x")
        assert refused.status_code == 409
        assert "100 bytes" in refused.json()["detail"]
    assert Upload.objects.get().path.read_bytes() == CONTENT[:100]


def test_more_bytes_than_announced_are_413(uploader: Client) -> None:
    address = create(uploader, length=10)["Location"]
    assert append(uploader, address, 0, b"x" * 11).status_code == 413
    assert uploader.head(address)["Upload-Offset"] == "0"


def test_a_second_writer_at_the_same_time_is_423(uploader: Client) -> None:
    address = create(uploader)["Location"]
    with Upload.objects.get().path.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert append(uploader, address, 0, b"x").status_code == 423
    assert append(uploader, address, 0, b"x").status_code == 204


def test_a_whole_file_whose_server_died_is_finished_when_the_client_asks(uploader: Client) -> None:
    address = create(uploader)["Location"]
    Upload.objects.get().path.write_bytes(CONTENT)  # all bytes arrived, then the process was killed
    assert uploader.head(address)["Upload-Offset"] == str(len(CONTENT))
    assert Video.objects.count() == 1
    assert uploader.get(address).json()["result"]["id"] == str(Video.objects.get().id)
    assert Job.objects.count() == 1


def test_an_empty_file_is_accepted_and_left_to_the_ingest_to_refuse(uploader: Client) -> None:
    made = create(uploader, length=0)
    assert made.json()["result"]["id"] == str(Video.objects.get().id)


def test_delete_leaves_nothing(uploader: Client, settings: Settings) -> None:
    address = create(uploader)["Location"]
    append(uploader, address, 0, b"x")
    assert uploader.delete(address).status_code == 204
    assert uploader.head(address).status_code == 404
    assert not list(Path(settings.UPLOAD_DIR).iterdir())


@pytest.mark.parametrize(
    ("length", "metadata", "status", "pointer"),
    [
        ("10", {"filename": "song.mp3"}, 415, "#/filename"),
        ("10", {"filename": "holiday"}, 415, "#/filename"),
        ("10", {"purpose": "library"}, 400, "#/filename"),
        ("10", {"filename": "a.mp4", "purpose": "world"}, 400, "#/purpose"),
        ("ten", {"filename": "a.mp4"}, 400, "#/Upload-Length"),
        ("-1", {"filename": "a.mp4"}, 400, "#/Upload-Length"),
        ("", {"filename": "a.mp4"}, 400, "#/Upload-Length"),
        (str(10**15), {"filename": "a.mp4"}, 413, "#/Upload-Length"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_a_byte_is_sent(
    uploader: Client, length: str, metadata: dict[str, str], status: int, pointer: str
) -> None:
    headers = {**TUS, "Upload-Length": length, "Upload-Metadata": told(**metadata)}
    refused = uploader.post("/api/v1/uploads", headers=headers)
    assert (refused.status_code, refused["Content-Type"]) == (status, "application/problem+json")
    assert refused.json()["errors"][0]["pointer"] == pointer
    assert not Upload.objects.exists()


def test_metadata_that_is_no_base64_is_400(uploader: Client) -> None:
    headers = {**TUS, "Upload-Length": "1", "Upload-Metadata": "filename ???"}
    assert uploader.post("/api/v1/uploads", headers=headers).status_code == 400


def test_another_version_of_tus_is_412(uploader: Client) -> None:
    refused = uploader.post("/api/v1/uploads", headers={"Tus-Resumable": "0.2.2", "Upload-Length": "1"})
    assert (refused.status_code, refused["Tus-Version"]) == (412, "1.0.0")


def test_options_tells_what_the_server_can_do(uploader: Client) -> None:
    answer = uploader.options("/api/v1/uploads")
    assert answer.status_code == 204
    assert {"creation", "creation-with-upload", "termination", "expiration"} == set(answer["Tus-Extension"].split(","))


def test_a_body_of_another_type_is_415(uploader: Client) -> None:
    address = create(uploader)["Location"]
    refused = uploader.patch(address, b"x", content_type="text/plain", headers={**TUS, "Upload-Offset": "0"})
    assert refused.status_code == 415


Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_refuses_an_upload_with_507_and_keeps_nothing(
    uploader: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 300 * 1024**2, 300 * 1024**2))
    refused = create(uploader, length=100 * 1024**2)
    assert refused.status_code == 507
    assert "100.0 MB are needed" in refused.json()["detail"]
    assert not Upload.objects.exists()
    assert not list(Path(settings.UPLOAD_DIR).iterdir())


def test_room_that_another_upload_was_promised_is_not_given_twice(
    uploader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 400 * 1024**2))
    assert create(uploader, length=100 * 1024**2).status_code == 201
    assert create(uploader, length=100 * 1024**2).status_code == 507


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(
    uploader: Client, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    address = create(uploader)["Location"]

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(uploads, "_copy", full)
    refused = append(uploader, address, 0, CONTENT)
    assert refused.status_code == 507
    assert "not enough space" in refused.json()["detail"]
    assert not Upload.objects.exists()
    assert not list(Path(settings.UPLOAD_DIR).iterdir())


def test_uploads_belong_to_who_started_them(uploader: Client) -> None:
    address = create(uploader)["Location"]
    other = Client()
    other.force_login(user("Uploaders"))
    for answer in (other.head(address), other.get(address), append(other, address, 0, b"x"), other.delete(address)):
        assert answer.status_code == 404


def test_a_token_uploads_without_cookie_or_csrf(db: None) -> None:
    _, token = token_create(user=user("Uploaders"), name="script", scopes=["upload"])
    client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"})
    assert append(client, create(client)["Location"], 0, CONTENT).status_code == 204


def test_a_session_needs_the_csrf_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user("Uploaders"))
    assert create(client).status_code == 403


def test_an_anonymous_lookup_belongs_to_its_session(client: Client, settings: Settings) -> None:
    settings.PUBLIC_SEARCH = True
    address = create(client, filename="query.mp4", purpose="lookup")["Location"]
    assert Client().head(address).status_code == 404
    done = append(client, address, 0, CONTENT)
    lookup = Lookup.objects.get()
    assert json.loads(done["Upload-Result"])["id"] == str(lookup.id)
    assert (lookup.owner, lookup.session_key) == (None, client.session.session_key)
    assert not Video.objects.exists()


def test_an_anonymous_visitor_cannot_upload_to_the_library(client: Client, settings: Settings) -> None:
    settings.PUBLIC_SEARCH = True
    assert create(client).status_code == 401


def test_uploads_that_nobody_touched_for_a_day_expire(uploader: Client, settings: Settings) -> None:
    create(uploader)
    assert uploads.uploads_expire() == 0
    assert uploads.uploads_expire(now=timezone.now() + uploads.KEEP * 2) == 1
    assert not list(Path(settings.UPLOAD_DIR).iterdir())


def test_bytes_are_copied_in_blocks_and_not_collected(uploader: Client) -> None:
    create(uploader, length=5 * uploads.BLOCK_BYTES)
    asked: list[int] = []

    class Endless:
        def read(self, size: int, /) -> bytes:
            asked.append(size)
            return b"x" * size

    uploads.upload_append(upload=Upload.objects.get(), offset=0, length=5 * uploads.BLOCK_BYTES, body=Endless())
    assert asked == [uploads.BLOCK_BYTES] * 5


def test_the_request_of_django_is_such_a_body(rf: RequestFactory) -> None:
    request = rf.generic("PATCH", "/", b"abc", content_type="application/offset+octet-stream")
    assert request.read(2) == b"ab"


def test_two_empty_uploads_of_a_visitor_keep_nobody_from_uploading(
    uploader: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLIC_SEARCH = True
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100 * 1024**3))
    for _ in range(2):
        refused = create(Client(), length=50 * 1024**3, filename="a.mp4", purpose="lookup")
        assert refused.status_code == 507
        assert "Visitors of one address can send up to 12.5 GB" in refused.json()["detail"]
    assert create(uploader, length=50 * 1024**3).status_code == 201


def test_visitors_of_one_address_have_a_few_uploads_whatever_their_sessions(settings: Settings, db: None) -> None:
    settings.PUBLIC_SEARCH = True
    made = [create(Client(), filename="a.mp4", purpose="lookup").status_code for _ in range(21)]
    assert made == [201] * 20 + [409]
    other = Client(REMOTE_ADDR="10.9.8.7")
    assert create(other, filename="a.mp4", purpose="lookup").status_code == 201


def test_an_upload_without_a_byte_makes_room_after_minutes(uploader: Client, settings: Settings) -> None:
    first, second = create(uploader)["Location"], create(uploader)["Location"]
    append(uploader, second, 0, b"x")
    Upload.objects.update(updated_at=timezone.now() - uploads.KEEP_EMPTY * 2)
    assert append_nothing(uploader, first, 0).status_code == 204  # an empty request renews nothing
    create(uploader)
    assert uploader.head(first).status_code == 404
    assert uploader.head(second).status_code == 200


def append_nothing(client: Client, address: str, offset: int) -> Any:
    """A PATCH of no bytes; the test client's own drops the type of an empty body."""
    headers = {"CONTENT_TYPE": "application/offset+octet-stream", "CONTENT_LENGTH": "0"}
    return client.generic("PATCH", address, b"", headers={**TUS, "Upload-Offset": str(offset)}, **headers)


class KilledHereError(BaseException):
    """Stands for a kill: nothing of ours catches it."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["before the commit", "after the commit"])
@pytest.mark.parametrize("purpose", ["library", "lookup"])
def test_a_finish_that_was_cut_off_is_repeated(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, place: str, purpose: str
) -> None:
    client = Client()
    client.force_login(user(is_superuser=True))
    address = create(client, purpose=purpose, filename="a.mp4")["Location"]
    with monkeypatch.context() as patched:
        if place == "before the commit":
            patched.setattr(Upload, "save", _killed)  # the row of the video is written, its file has its place
        else:
            patched.setattr(Path, "unlink", _killed_at_upload)
        with pytest.raises(KilledHereError):
            append(client, address, 0, CONTENT)
    assert Video.objects.count() + Lookup.objects.count() == (0 if place == "before the commit" else 1)
    again = client.head(address)
    assert (again.status_code, again["Upload-Offset"]) == (200, str(len(CONTENT)))
    result = json.loads(again["Upload-Result"])["id"]
    made = Video.objects.get() if purpose == "library" else Lookup.objects.get()
    assert result == str(made.id)
    assert Path(made.path).read_bytes() == CONTENT
    assert json.loads(append_nothing(client, address, len(CONTENT))["Upload-Result"])["id"] == result
    assert not [path for path in Path(settings.UPLOAD_DIR).iterdir() if path.is_file()]
    folders = list(Path(settings.MEDIA_DIR).iterdir()) if Path(settings.MEDIA_DIR).exists() else []
    assert len(folders) == (purpose == "library")


def _killed(*_: object, **__: object) -> None:
    raise KilledHereError


_unlink = Path.unlink


def _killed_at_upload(path: Path, missing_ok: bool = False) -> None:
    if path.parent.name == "uploads":
        raise KilledHereError
    _unlink(path, missing_ok=missing_ok)


def test_what_nobody_asks_for_any_more_is_finished_by_the_periodic_task(uploader: Client) -> None:
    create(uploader)
    upload = Upload.objects.get()
    upload.path.write_bytes(CONTENT)
    assert uploads.uploads_finish(become=become) == 0
    assert uploads.uploads_finish(become=become, now=timezone.now() + uploads.ABANDONED * 2) == 1
    assert Video.objects.get().id == Upload.objects.get().result_id


def test_an_upload_that_is_removed_after_a_cut_off_finish_leaves_nothing(uploader: Client, settings: Settings) -> None:
    address = create(uploader)["Location"]
    place_into(Upload.objects.get().path, original_path(upload_video_id(Upload.objects.get().path), "a.mp4"))
    assert uploader.delete(address).status_code == 204
    assert not list(Path(settings.MEDIA_DIR).iterdir())
