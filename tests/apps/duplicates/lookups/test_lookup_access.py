from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.core.models import Job
from apps.duplicates.lookups.files import lookups_folder
from apps.duplicates.lookups.states import lookup_mark_done
from apps.duplicates.models import Lookup
from apps.videos.models import Video
from tests.apps.duplicates.rows import found, make_video

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client):
    user = get_user_model().objects.create_user("ann")
    client.force_login(user)
    return user


def clip(name="clip.mp4", content=b"not really a video"):
    return SimpleUploadedFile(name, content, content_type="video/mp4")


def ask(client, **data):
    return client.post(reverse("api:lookups"), data or {"file": clip()})


def test_a_file_becomes_a_lookup_with_a_job_and_is_stored_under_our_name(client, ann):
    answer = ask(client)
    assert answer.status_code == 201
    lookup = Lookup.objects.get()
    assert answer["Location"] == reverse("api:lookup", args=[lookup.id])
    assert (answer.json()["state"], answer.json()["matches"]) == ("waiting", [])
    assert [p.name for p in lookups_folder().iterdir()] == [f"{lookup.id}.mp4"]
    assert Job.objects.get().subject_id == lookup.id
    assert client.get(answer["Location"]).json()["file_name"] == "clip.mp4"


def test_the_answer_has_the_agreed_shape(client, ann):
    lookup = Lookup.objects.get(id=ask(client).json()["id"])
    video = make_video("holiday", duration=60.0)
    lookup_mark_done(lookup_id=lookup.id, sha256="0" * 64, duration_seconds=20.0, found=[found(video, "contained_in")])

    answer = client.get(reverse("api:lookup", args=[lookup.id])).json()
    best = answer["matches"][0]
    assert answer["state"] == "done"
    assert {k: best["video"][k] for k in ("id", "title", "path")} == {
        "id": str(video.id),
        "title": "holiday",
        "path": video.original_name,
    }
    assert (best["score"], best["relation"]) == (0.9, "contained_in")
    assert {k: best["segments"][0][k] for k in ("query", "reference", "score")} == {
        "query": [0.0, 20.0],
        "reference": [0.0, 20.0],
        "score": 0.9,
    }
    Video.objects.all().delete()
    assert client.get(reverse("api:lookup", args=[lookup.id])).json()["matches"] == []


def test_other_people_see_nothing_of_a_lookup(client, ann):
    address = ask(client)["Location"]
    client.force_login(get_user_model().objects.create_user("bob"))
    for answer in (client.get(address), client.delete(address), client.post(f"{address}/add")):
        assert answer.status_code in {403, 404}
    assert client.get(address).status_code == 404
    assert client.get(address.replace("/api/v1/lookups", "/find")).status_code == 404
    assert Lookup.objects.count() == 1


def test_anonymous_lookups_are_read_by_their_id_removed_by_their_session_and_hide_paths(client, settings):
    assert ask(client).status_code in {401, 403}
    settings.PUBLIC_SEARCH = True
    answer = ask(client)
    assert answer.status_code == 201
    lookup = Lookup.objects.get()
    video = make_video("holiday")
    lookup_mark_done(lookup_id=lookup.id, sha256="0" * 64, duration_seconds=20.0, found=[found(video)])
    assert client.get(answer["Location"]).json()["matches"][0]["video"]["path"] == video.original_name
    client.cookies.clear()
    assert client.get(answer["Location"]).status_code == 200
    assert client.delete(answer["Location"]).status_code == 404
    assert Lookup.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 400),
        ({"video_id": "nonsense"}, 400),
        ({"video_id": "8e2b7f0e-0000-4000-8000-000000000000"}, 404),
        ({"upload_id": "8e2b7f0e-0000-4000-8000-000000000000"}, 404),
        ({"file": "just text"}, 400),
    ],
)
def test_a_request_that_cannot_be_used_is_a_problem_and_not_a_crash(client, ann, data, status):
    answer = client.post(reverse("api:lookups"), data, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert not Lookup.objects.exists()


def test_a_document_is_refused_before_anything_is_stored(client, ann):
    answer = ask(client, file=clip("letter.pdf"))
    assert answer.status_code == 415
    assert list(lookups_folder().iterdir()) == []


def test_the_page_takes_a_file_without_javascript_and_shows_the_stages(client, ann):
    answer = client.post(reverse("duplicates:find"), {"file": clip()})
    lookup = Lookup.objects.get()
    assert answer.url == reverse("duplicates:lookup", args=[lookup.id])
    Lookup.objects.update(state="running", stage="fingerprinting", percent=40.0)
    assert "ingerprinting" in client.get(answer.url).content.decode()
    status = reverse("duplicates:lookup_status", args=[lookup.id])
    assert client.get(status).status_code == 200

    video = make_video("holiday")
    lookup_mark_done(lookup_id=lookup.id, sha256="0" * 64, duration_seconds=20.0, found=[found(video, "contains")])
    done = client.get(status)
    assert done.status_code == 286
    assert "Your video contains all of a video of the library." in done.content.decode()
    assert f"/videos/{video.id}?t=0" in done.content.decode()


def test_the_page_says_why_a_file_is_refused(client, ann):
    answer = client.post(reverse("duplicates:find"), {"file": clip("letter.pdf")})
    assert answer.status_code == 415
    assert "does not look like a video" in answer.content.decode()
    assert client.post(reverse("duplicates:find"), {}).status_code == 400


def test_adding_to_the_library_needs_the_permission_to_upload(client, ann):
    lookup = Lookup.objects.get(id=ask(client).json()["id"])
    lookup_mark_done(lookup_id=lookup.id, sha256="5" * 64, duration_seconds=20.0, found=[])
    address = reverse("api:lookup_add", args=[lookup.id])
    assert client.post(address).status_code == 403
    ann.user_permissions.add(Permission.objects.get(codename="upload_video"))
    answer = client.post(address)
    assert answer.status_code == 201
    assert Video.objects.get().title == "clip"
    assert client.post(address).status_code == 200
