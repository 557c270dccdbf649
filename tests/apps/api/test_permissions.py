"""Who gets which answer: every kind of visitor against every endpoint of the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from apps.core.models import Job
from apps.videos.models import Video
from tests.apps.people import imported, user

pytestmark = pytest.mark.django_db

VISITORS = ("nobody", "nobody_public", "user", "uploader", "owner", "reviewer", "admin")
OK, LOGIN, NO = 200, 401, 403
# per visitor, in the order of VISITORS
MATRIX = [
    ("GET", "/api/v1/videos", (LOGIN, OK, OK, OK, OK, OK, OK)),
    ("GET", "/api/v1/videos/{video}", (LOGIN, OK, OK, OK, OK, OK, OK)),
    ("GET", "/api/v1/videos/{video}/storyboard.vtt", (LOGIN, 302, 302, 302, 302, 302, 302)),
    ("PATCH", "/api/v1/videos/{video}", (LOGIN, LOGIN, NO, NO, OK, NO, OK)),
    ("DELETE", "/api/v1/videos/{video}", (LOGIN, LOGIN, NO, NO, 204, NO, 204)),
    ("POST", "/api/v1/videos/{video}/cancel", (LOGIN, LOGIN, NO, NO, 202, NO, 202)),
    ("POST", "/api/v1/videos/{video}/retry", (LOGIN, LOGIN, NO, NO, 409, NO, 409)),
    ("POST", "/api/v1/uploads", (LOGIN, LOGIN, NO, 201, 201, NO, 201)),
    ("GET", "/api/v1/jobs", (LOGIN, LOGIN, NO, OK, OK, NO, OK)),
    ("GET", "/api/v1/jobs/{job}", (LOGIN, LOGIN, NO, OK, OK, NO, OK)),
    ("POST", "/api/v1/jobs/{job}/cancel", (LOGIN, LOGIN, NO, NO, 202, NO, 202)),
    ("GET", "/api/v1/tokens", (NO, NO, OK, OK, OK, OK, OK)),
    ("GET", "/api/v1/model-versions", (LOGIN, OK, OK, OK, OK, OK, OK)),
    ("GET", "/videos", (302, OK, OK, OK, OK, OK, OK)),
    ("GET", "/videos/{video}", (302, OK, OK, OK, OK, OK, OK)),
    ("GET", "/upload", (302, 302, NO, OK, OK, NO, OK)),
    ("GET", "/videos/{video}/stream", (NO, OK, OK, OK, OK, OK, OK)),
    ("GET", "/accounts/tokens", (302, 302, OK, OK, OK, OK, OK)),
    ("GET", "/admin/videos/video/", (302, 302, 302, 302, 302, 302, OK)),
]


@pytest.mark.parametrize(
    ("method", "address", "visitor", "status"),
    [
        pytest.param(method, address, visitor, status, id=f"{visitor} {method} {address}")
        for method, address, statuses in MATRIX
        for visitor, status in zip(VISITORS, statuses, strict=True)
    ],
)
def test_everybody_gets_what_the_permission_says(
    client: Client, settings: Settings, tmp_path: Path, method: str, address: str, visitor: str, status: int
) -> None:
    settings.PUBLIC_SEARCH = visitor == "nobody_public"
    owner = user("Uploaders")
    video = imported(tmp_path, owner=owner)
    people = {
        "user": lambda: user(),
        "uploader": lambda: user("Uploaders"),
        "owner": lambda: owner,
        "reviewer": lambda: user("Reviewers"),
        "admin": lambda: user("Administrators", is_staff=True),
    }
    if visitor in people:
        client.force_login(people[visitor]())
    headers = {}
    if address.endswith("/uploads"):
        headers = {"Upload-Length": "9", "Upload-Metadata": "filename YS5tcDQ="}  # a.mp4
    answer = client.generic(
        method,
        address.format(video=video.id, job=Job.objects.get().id),
        b"" if method == "GET" or headers else b"{}",
        content_type="application/json",
        headers=headers,
    )
    assert answer.status_code == status, answer.content
    if status in {LOGIN, NO} and address.startswith("/api"):
        assert answer["Content-Type"] == "application/problem+json"


def test_a_lookup_of_somebody_is_no_business_of_an_uploader(client: Client) -> None:
    lookup = Job.objects.create(kind="lookup", title="private.mp4")
    client.force_login(user("Uploaders"))
    assert client.get("/api/v1/jobs").json()["results"] == []
    assert client.get(f"/api/v1/jobs/{lookup.id}").status_code == 403


def test_paths_of_the_server_are_for_people_who_upload(client: Client, settings: Settings, tmp_path: Path) -> None:
    settings.PUBLIC_SEARCH = True
    video = imported(tmp_path)
    assert "path" not in client.get(f"/api/v1/videos/{video.id}").json()
    client.force_login(user("Uploaders"))
    assert client.get(f"/api/v1/videos/{video.id}").json()["path"] == video.path


def test_the_groups_hold_the_permissions_that_the_rules_ask_for() -> None:
    uploader, reviewer, admin = user("Uploaders"), user("Reviewers"), user("Administrators")
    permissions = ("videos.upload_video", "duplicates.change_duplicategroup", "core.administer")
    assert [uploader.has_perm(name) for name in permissions] == [True, False, False]
    assert [reviewer.has_perm(name) for name in permissions] == [False, True, False]
    assert [admin.has_perm(name) for name in permissions] == [True, True, True]
    assert admin.has_perm("auth.change_user")


def test_the_admin_deletes_a_video_with_its_rows(client: Client, tmp_path: Path) -> None:
    video = imported(tmp_path, tags=["a"], description="words")
    client.force_login(user("Administrators", is_staff=True))
    page = client.get(f"/admin/videos/video/{video.id}/change/")
    assert page.status_code == 200
    gone = client.post(f"/admin/videos/video/{video.id}/delete/", {"post": "yes"})
    assert (gone.status_code, Video.objects.count()) == (302, 0)


@pytest.mark.parametrize("page", ["videos/tag", "videos/shot", "videos/textsegment", "videos/upload", "core/job"])
def test_the_admin_lists_every_kind_of_row(client: Client, tmp_path: Path, page: str) -> None:
    imported(tmp_path, tags=["a"])
    client.force_login(user("Administrators", is_staff=True))
    assert client.get(f"/admin/{page}/").status_code == 200
