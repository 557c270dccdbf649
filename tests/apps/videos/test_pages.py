"""The page of one video: states, what people may do, subtitles."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from apps.core.models import Job
from apps.videos.job_kinds import PROXY
from apps.videos.models import Shot, TextSegment, Video
from apps.videos.subtitles import Cue, as_webvtt
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def video(tmp_path: Path) -> Video:
    made = imported(tmp_path / "library", name="beach.mp4")
    Video.objects.filter(id=made.id).update(state=Video.State.READY, duration_seconds=20.0)
    made.refresh_from_db()
    return made


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(user())
    return client


def shown(client: Client, video: Video, query: str = "") -> str:
    response = client.get(f"/videos/{video.id}{query}")
    assert response.status_code == 200
    return response.content.decode()


def change(video: Video, **fields: object) -> None:
    Video.objects.filter(id=video.id).update(**fields)


def test_the_player_starts_at_the_asked_second(viewer: Client, video: Video) -> None:
    assert f'src="/videos/{video.id}/stream#t=12.5"' in shown(viewer, video, "?t=12.5")
    for raw in ("", "?t=nan", "?t=-3", "?t=late", "?t=1e99"):
        assert f'src="/videos/{video.id}/stream"' in shown(viewer, video, raw)


def test_what_was_left_out_is_said_on_the_page_and_in_the_api(viewer: Client, video: Video) -> None:
    assert "data-notes" not in shown(viewer, video)
    change(video, notes=["About 2 minutes of this video are missing at 0:40:00."])
    assert "About 2 minutes of this video are missing" in shown(viewer, video)
    assert viewer.get(f"/api/v1/videos/{video.id}").json()["notes"] == video_notes(video)


def video_notes(video: Video) -> list[str]:
    video.refresh_from_db()
    return list(video.notes)


def test_shots_and_subtitles_are_links_into_the_video(viewer: Client, video: Video) -> None:
    Shot.objects.create(video=video, ordinal=0, start=0.0, end=8.5, key_time=4.0)
    Shot.objects.create(video=video, ordinal=1, start=8.5, end=20.0, key_time=10.0)
    TextSegment.objects.create(video=video, source="subtitle", start=3.25, end=5.0, text="Here\n<we> are", track=1)
    page = shown(viewer, video)
    assert 'href="?t=8.5"' in page
    assert 'href="?t=3.25"' in page
    assert "&lt;we&gt; are" in page
    track = viewer.get(f"/videos/{video.id}/subtitles-1.vtt")
    assert track["Content-Type"] == "text/vtt; charset=utf-8"
    assert track.content.decode() == "WEBVTT\n\n00:00:03.250 --> 00:00:05.000\nHere\n&lt;we&gt; are\n"


def test_a_video_without_subtitles_has_no_track(viewer: Client, video: Video, client: Client) -> None:
    assert viewer.get(f"/videos/{video.id}/subtitles-1.vtt").status_code == 404
    assert "<track" not in shown(viewer, video)


def test_a_cue_cannot_start_another_one() -> None:
    text = as_webvtt([Cue(0.0, 1.0, "one\n\n00:00:09.000 --> 00:00:10.000\ntwo"), Cue(3600.0, 3601.5, "&")])
    assert text.count(" --> ") == 2
    assert "01:00:00.000 --> 01:00:01.500\n&amp;" in text


def test_subtitles_are_for_those_who_may_look(client: Client, video: Video, settings: Settings) -> None:
    settings.PUBLIC_SEARCH = False
    assert client.get(f"/videos/{video.id}/subtitles-1.vtt").status_code == 403


def test_a_video_that_is_indexed_shows_its_progress_and_asks_again(viewer: Client, video: Video) -> None:
    change(video, state=Video.State.PROBED)
    Job.objects.filter(subject_id=video.id).update(state="running", stage="indexing", percent=40.0, seconds_left=12.0)
    page = shown(viewer, video)
    assert "Being indexed: indexing" in page
    assert 'value="40.0"' in page
    assert f'hx-get="/videos/{video.id}/status"' in page
    assert "HX-Refresh" not in viewer.get(f"/videos/{video.id}/status")
    change(video, state=Video.State.READY)
    assert viewer.get(f"/videos/{video.id}/status")["HX-Refresh"] == "true"


def test_a_failed_video_says_why_and_offers_a_retry_to_those_who_may(client: Client, video: Video) -> None:
    change(video, state=Video.State.FAILED, failure="The file is cut off.")
    Job.objects.filter(subject_id=video.id).update(state="failed")
    client.force_login(user())
    page = shown(client, video)
    assert "The file is cut off." in page
    assert 'value="retry"' not in page
    assert "<video" not in page
    client.force_login(user("Administrators"))
    assert 'value="retry"' in shown(client, video)
    assert client.post(f"/videos/{video.id}", {"action": "retry"}).status_code == 302
    assert Video.objects.get(id=video.id).state == Video.State.UPLOADED


def test_a_file_that_browsers_cannot_play_waits_for_its_conversion(viewer: Client, video: Video) -> None:
    change(video, needs_proxy=True)
    job = Job.objects.create(kind=PROXY.name, subject_id=video.id, state="running", percent=30.0)
    page = shown(viewer, video)
    assert "Being converted for the browser" in page
    assert "<video" not in page
    Job.objects.filter(id=job.id).update(state="failed", error="No space left.")
    assert "No space left." in shown(viewer, video)
    change(video, has_proxy=True)
    assert "<video" in shown(viewer, video)


def test_only_those_who_may_edit_delete_a_video(client: Client, video: Video) -> None:
    client.force_login(user("Uploaders"))
    assert 'value="delete"' not in shown(client, video)
    assert client.post(f"/videos/{video.id}", {"action": "delete"}).status_code == 403
    client.force_login(user("Administrators"))
    assert client.post(f"/videos/{video.id}", {"action": "nonsense"}).status_code == 302
    assert Video.objects.filter(id=video.id).exists()
    assert 'value="delete"' in shown(client, video)
    assert client.post(f"/videos/{video.id}", {"action": "delete"})["Location"] == "/videos"
    assert not Video.objects.filter(id=video.id).exists()
    assert Path(video.path).exists(), "an imported file stays"


def test_a_video_that_is_not_there_is_a_page_that_says_so(viewer: Client) -> None:
    response = viewer.get("/videos/00000000-0000-0000-0000-000000000000")
    assert response.status_code == 404
    assert b"There is no such video" in response.content
