from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from apps.core.models import Job
from apps.videos.models import TextSegment, Video
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(user("Administrators"))
    return client


@pytest.mark.parametrize("sort", ["newest", "oldest", "title", "longest", "shortest", "largest"])
def test_pages_hold_every_video_once_in_each_order(admin: Client, tmp_path: Path, sort: str) -> None:
    for number in range(7):
        video = imported(tmp_path, title=f"video {number % 3}")
        Video.objects.filter(id=video.id).update(duration_seconds=None if number % 2 else 5.0)
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get("/api/v1/videos", {"limit": 3, "sort": sort, "cursor": cursor}).json()
        seen += [video["id"] for video in page["results"]]
        cursor = page["page"]["next_cursor"]
    assert len(seen) == len(set(seen)) == 7


def test_a_video_that_appears_meanwhile_shifts_no_page(admin: Client, tmp_path: Path) -> None:
    old = [imported(tmp_path) for _ in range(4)]
    first = admin.get("/api/v1/videos", {"limit": 2}).json()
    imported(tmp_path)
    second = admin.get("/api/v1/videos", {"limit": 2, "cursor": first["page"]["next_cursor"]}).json()
    got = [video["id"] for page in (first, second) for video in page["results"]]
    assert got == [str(video.id) for video in reversed(old)]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("cursor=nonsense", "#/cursor"), ("state=lost", "#/state"), ("min_duration=x", "#/min_duration")],
)
def test_a_parameter_that_cannot_be_read_is_pointed_at(admin: Client, query: str, pointer: str) -> None:
    refused = admin.get(f"/api/v1/videos?{query}")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    problem = refused.json()
    assert problem["errors"][0]["pointer"] == pointer
    assert problem["status"] == 400
    assert problem["title"]


def test_a_video_carries_its_progress(admin: Client, tmp_path: Path) -> None:
    video = imported(tmp_path)
    Job.objects.update(state="running", stage="indexing", percent=42.0, seconds_left=7.5)
    shown = admin.get(f"/api/v1/videos/{video.id}").json()
    assert shown["state"] == "uploaded"
    assert shown["page_url"] == f"/videos/{video.id}"
    assert (shown["job"]["stage"], shown["job"]["percent"], shown["job"]["seconds_left"]) == ("indexing", 42.0, 7.5)


def test_a_change_is_stored_and_found(admin: Client, tmp_path: Path) -> None:
    video = imported(tmp_path)
    changes = {"title": "Boats", "description": "at dusk", "tags": ["Sea"]}
    shown = admin.patch(f"/api/v1/videos/{video.id}", changes, content_type="application/json").json()
    assert (shown["title"], shown["description"], shown["tags"]) == ("Boats", "at dusk", ["sea"])
    assert set(TextSegment.objects.values_list("text", flat=True)) == {"Boats", video.original_name, "at dusk"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"title": ""}, "#/title"),
        ({"title": "x" * 301}, "#/title"),
        ({"tags": "sea"}, "#/tags"),
        ({"tags": ["ok", {"no": 1}]}, "#/tags/1"),
        ({"title": "a\x00b"}, "#/title"),
    ],
)
def test_a_change_that_cannot_be_stored_points_at_its_field(
    admin: Client, tmp_path: Path, body: dict[str, object], pointer: str
) -> None:
    video = imported(tmp_path)
    refused = admin.patch(f"/api/v1/videos/{video.id}", body, content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert refused.json()["errors"][0]["pointer"] == pointer


def test_a_body_that_is_no_json_is_a_problem(admin: Client, tmp_path: Path) -> None:
    refused = admin.patch(f"/api/v1/videos/{imported(tmp_path).id}", "{", content_type="application/json")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/api/v1/videos/00000000-0000-0000-0000-000000000000", 404),
        ("GET", "/api/v1/videos/1", 404),
        ("GET", "/api/v1/nothing", 404),
        ("POST", "/api/nothing", 404),
        ("PUT", "/api/v1/videos", 405),
    ],
)
def test_what_is_not_there_is_a_problem_and_not_a_page(admin: Client, method: str, address: str, status: int) -> None:
    answer = admin.generic(method, address)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_delete_then_gone(admin: Client, tmp_path: Path) -> None:
    address = f"/api/v1/videos/{imported(tmp_path).id}"
    assert admin.delete(address).status_code == 204
    assert admin.get(address).status_code == 404


def test_a_job_is_cancelled_and_tried_again(admin: Client, tmp_path: Path) -> None:
    video = imported(tmp_path)
    job = Job.objects.get()
    assert admin.post(f"/api/v1/jobs/{job.id}/cancel").json()["state"] == "cancelled"
    assert admin.get(f"/api/v1/videos/{video.id}").json()["failure_code"] == "cancelled"
    assert admin.post(f"/api/v1/jobs/{job.id}/cancel").status_code == 409
    assert admin.post(f"/api/v1/jobs/{job.id}/retry").json()["state"] == "queued"
    assert admin.get(f"/api/v1/videos/{video.id}").json()["state"] == "uploaded"
    assert [row["id"] for row in admin.get(f"/api/v1/jobs?subject_id={video.id}").json()["results"]] == [str(job.id)]
    assert admin.get("/api/v1/jobs?subject_id=7").status_code == 400
    assert admin.get("/api/v1/jobs?state=lost").status_code == 400


def test_the_schema_names_every_endpoint_and_the_token(client: Client) -> None:
    schema = client.get("/api/schema")
    if schema.status_code == 401:  # the schema follows the rule for looking
        client.force_login(user())
        schema = client.get("/api/schema")
    text = schema.content.decode()
    for address in ("/api/v1/videos", "/api/v1/uploads", "/api/v1/jobs/{job_id}/cancel", "/api/v1/model-versions"):
        assert f"  {address}:" in text
    assert "apiToken" in text


def test_moments_of_one_video_by_its_words(admin: Client, tmp_path: Path) -> None:
    video, other = imported(tmp_path, title="harbour"), imported(tmp_path, title="a red boat")
    Video.objects.update(state=Video.State.READY, duration_seconds=30.0)
    for one, start in ((video, 12.0), (other, 3.0)):
        TextSegment.objects.create(video=one, source="subtitle", start=start, end=start + 2, text="look, a red boat")
    answer = admin.get(f"/api/v1/videos/{video.id}/moments", {"q": "red boats"}).json()
    assert [(moment["start"], moment["end"], moment["matched"]) for moment in answer["moments"]] == [
        (12.0, 14.0, ["subtitle"])
    ]
    assert answer["moments"][0]["play_url"] == f"/videos/{video.id}?t=12.00"
    assert admin.get(f"/api/v1/videos/{video.id}/moments").json()["moments"] == []
    Video.objects.filter(id=video.id).update(state=Video.State.FAILED)
    assert admin.get(f"/api/v1/videos/{video.id}/moments", {"q": "boat"}).status_code == 409
