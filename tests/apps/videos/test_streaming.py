from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.videos.models import Video
from apps.videos.presence import missing_check
from apps.videos.streaming import BLOCK_BYTES
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 40  # 10,240 bytes


@pytest.fixture
def video(tmp_path: Path) -> Video:
    return imported(tmp_path / "library", CONTENT)


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(user())
    return client


def body(response: object) -> bytes:
    return response.getvalue()  # type: ignore[attr-defined, no-any-return]


def give(video: Video, content: bytes) -> None:
    """The video has this content from now on."""
    Path(video.path).write_bytes(content)
    Video.objects.filter(id=video.id).update(size_bytes=len(content), modified_ns=None)


def open_files() -> set[str]:
    """Every file that this process holds open."""
    links = (Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
    return {os.readlink(link) for link in links if link.exists()}


def test_the_whole_file_comes_with_a_type_of_ours_and_without_sniffing(viewer: Client, video: Video) -> None:
    response = viewer.get(f"/videos/{video.id}/stream")
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response["Content-Type"] == "video/mp4"
    assert response["Content-Length"] == str(len(CONTENT))
    assert response["Accept-Ranges"] == "bytes"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Disposition"] == "inline"


@pytest.mark.parametrize(
    ("asked", "content_range", "sent"),
    [
        ("bytes=0-0", "bytes 0-0/10240", CONTENT[:1]),
        ("bytes=100-199", "bytes 100-199/10240", CONTENT[100:200]),
        ("bytes=10000-", "bytes 10000-10239/10240", CONTENT[10000:]),
        ("bytes=-10", "bytes 10230-10239/10240", CONTENT[-10:]),
        ("bytes=10000-999999", "bytes 10000-10239/10240", CONTENT[10000:]),
    ],
)
def test_a_range_comes_as_206(viewer: Client, video: Video, asked: str, content_range: str, sent: bytes) -> None:
    response = viewer.get(f"/videos/{video.id}/stream", headers={"Range": asked})
    assert response.status_code == 206
    assert response["Content-Range"] == content_range
    assert response["Content-Length"] == str(len(sent))
    assert body(response) == sent


def test_a_range_behind_the_end_is_416_and_tells_the_size(viewer: Client, video: Video) -> None:
    response = viewer.get(f"/videos/{video.id}/stream", headers={"Range": "bytes=10240-"})
    assert response.status_code == 416
    assert response["Content-Range"] == "bytes */10240"


def test_several_ranges_are_answered_with_the_whole_file(viewer: Client, video: Video) -> None:
    response = viewer.get(f"/videos/{video.id}/stream", headers={"Range": "bytes=0-1,4-5"})
    assert (response.status_code, body(response)) == (200, CONTENT)


def test_if_range_with_the_same_validator_continues_and_with_another_starts_over(viewer: Client, video: Video) -> None:
    address = f"/videos/{video.id}/stream"
    first = viewer.get(address)
    for validator in (first["ETag"], first["Last-Modified"]):
        assert viewer.get(address, headers={"Range": "bytes=5-9", "If-Range": validator}).status_code == 206
    for validator in ('"other"', f"W/{first['ETag']}", "Mon, 01 Jan 2001 00:00:00 GMT", "nonsense"):
        response = viewer.get(address, headers={"Range": "bytes=5-9", "If-Range": validator})
        assert (response.status_code, body(response)) == (200, CONTENT)


def test_an_unchanged_file_is_304_and_a_changed_one_has_another_etag(viewer: Client, video: Video) -> None:
    address = f"/videos/{video.id}/stream"
    etag = viewer.get(address)["ETag"]
    assert viewer.get(address, headers={"If-None-Match": etag}).status_code == 304
    os.utime(video.path, (1, 1))
    response = viewer.get(address, headers={"If-None-Match": etag})
    assert (response.status_code, body(response)) == (200, CONTENT)
    assert response["ETag"] != etag


def test_other_content_in_the_place_of_the_file_is_not_played_and_marks_the_video(viewer: Client, video: Video) -> None:
    for content in (b"changed", bytes(len(CONTENT))):  # of another size, and of the same
        Path(video.path).write_bytes(content)
        response = viewer.get(f"/videos/{video.id}/stream")
        assert response.status_code == 404 and "another file has its place" in body(response).decode()
        video.refresh_from_db()
        assert video.missing_since is not None
        Path(video.path).write_bytes(CONTENT)
        Video.objects.update(missing_since=None)


def test_a_file_that_is_back_plays_again_and_is_missing_no_longer(viewer: Client, video: Video) -> None:
    away = Path(video.path).with_name("elsewhere")
    put_aside = Path(video.path).rename(away)
    put_aside.with_name("beside.mp4").write_bytes(b"x")
    page = viewer.get(f"/videos/{video.id}").content.decode()
    assert "The file of this video is missing" in page
    video.refresh_from_db()
    assert video.missing_since is not None
    away.rename(video.path)
    assert viewer.get(f"/videos/{video.id}/stream").status_code == 200
    video.refresh_from_db()
    assert video.missing_since is None


def test_the_hourly_look_ends_it_as_well(video: Video) -> None:
    Video.objects.update(missing_since=timezone.now())
    missing_check()
    video.refresh_from_db()
    assert video.missing_since is None


def test_a_folder_that_cannot_be_reached_marks_nothing(viewer: Client, video: Video) -> None:
    Path(video.path).parent.rename(Path(video.path).parent.with_name("unmounted"))
    response = viewer.get(f"/videos/{video.id}/stream")
    assert response.status_code == 404 and "cannot be reached" in body(response).decode()
    video.refresh_from_db()
    assert video.missing_since is None


def test_head_sends_the_headers_and_no_body(viewer: Client, video: Video) -> None:
    response = viewer.head(f"/videos/{video.id}/stream")
    assert (response.status_code, response["Content-Length"], response.content) == (200, "10240", b"")


def test_an_empty_file_is_sent_empty(viewer: Client, tmp_path: Path) -> None:
    video = imported(tmp_path)
    give(video, b"")
    response = viewer.get(f"/videos/{video.id}/stream")
    assert (response.status_code, body(response)) == (200, b"")


def test_a_large_file_is_read_in_blocks_and_closed_when_the_client_goes_away(viewer: Client, video: Video) -> None:
    give(video, b"x" * (BLOCK_BYTES * 2 + 5))
    response = viewer.get(f"/videos/{video.id}/stream")
    blocks = iter(response.streaming_content)
    assert len(next(blocks)) == BLOCK_BYTES
    assert video.path in open_files()
    response.close()
    assert video.path not in open_files()


def test_a_missing_file_is_404_with_an_explanation(viewer: Client, video: Video) -> None:
    Path(video.path).unlink()
    response = viewer.get(f"/videos/{video.id}/stream")
    assert response.status_code == 404
    assert b"moved or removed" in response.content


def test_a_folder_in_the_place_of_the_file_is_404(viewer: Client, video: Video) -> None:
    Path(video.path).unlink()
    Path(video.path).mkdir()
    assert viewer.get(f"/videos/{video.id}/stream").status_code == 404


def test_a_proxy_is_preferred_to_the_original(viewer: Client, video: Video) -> None:
    video.folder.mkdir(parents=True)
    (video.folder / "proxy.mp4").write_bytes(b"proxy")
    Video.objects.filter(id=video.id).update(has_proxy=True)
    assert body(viewer.get(f"/videos/{video.id}/stream")) == b"proxy"


@pytest.mark.parametrize(
    ("file", "content_type"),
    [
        ("poster.jpg", "image/jpeg"),
        ("thumbs/1500.jpg", "image/jpeg"),
        ("storyboard.vtt", "text/vtt; charset=utf-8"),
        ("sprite.jpg", "image/jpeg"),
        ("sprite-1.jpg", "image/jpeg"),
    ],
)
def test_derived_files_are_served_and_404_until_they_are_made(
    viewer: Client, video: Video, file: str, content_type: str
) -> None:
    address = f"/videos/{video.id}/{file}"
    assert viewer.get(address).status_code == 404
    target = video.folder / file
    target.parent.mkdir(parents=True)
    target.write_bytes(b"made")
    response = viewer.get(address)
    assert (response.status_code, body(response), response["Content-Type"]) == (200, b"made", content_type)


def test_strangers_see_media_only_when_search_is_public(client: Client, video: Video, settings: Settings) -> None:
    settings.PUBLIC_SEARCH = False
    addresses = [f"/videos/{video.id}/stream", f"/videos/{video.id}/poster.jpg"]
    assert {client.get(address).status_code for address in addresses} == {403}
    settings.PUBLIC_SEARCH = True
    assert client.get(addresses[0]).status_code == 200


def test_media_can_only_be_read(viewer: Client, video: Video) -> None:
    assert viewer.post(f"/videos/{video.id}/stream").status_code == 405


@pytest.mark.parametrize(("kind", "header"), [("x-accel-redirect", "X-Accel-Redirect"), ("x-sendfile", "X-Sendfile")])
def test_a_proxy_sends_the_file_where_one_is_configured(
    viewer: Client, tmp_path: Path, settings: Settings, kind: str, header: str
) -> None:
    video = imported(tmp_path / "library", CONTENT, name="a b%20ü.mp4")
    settings.SENDFILE, settings.SENDFILE_FOLDERS = kind, {str(tmp_path / "library"): "/protected"}
    response = viewer.get(f"/videos/{video.id}/stream", headers={"Range": "bytes=1-2"})
    assert (response.status_code, response.content) == (200, b"")
    assert response[header] == "/protected/" + quote(Path(video.path).name)
    assert response["Content-Type"] == "video/mp4"
    assert Client().get(f"/videos/{video.id}/stream").status_code == 403  # who may watch is still decided here
    settings.SENDFILE_FOLDERS = {str(tmp_path / "lib"): "/protected"}
    assert body(viewer.get(f"/videos/{video.id}/stream")) == CONTENT
