"""Clicks and thumbs: who may leave them, what is stored, and that the form works without JavaScript."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest
from django.test import Client

from apps.search.models import Feedback
from tests.apps.embeddings.library import make_video
from tests.apps.people import user
from tests.apps.search.planted import plant

pytestmark = pytest.mark.django_db


def posted(client: Client, body: dict[str, object]):  # type: ignore[no-untyped-def]
    return client.post("/api/v1/feedback", json.dumps(body), content_type="application/json")


def moment(**changes: object) -> dict[str, object]:
    return {"query": "a dog", "video": str(make_video().id), "start": 1.0, "end": 5.0, "kind": "thumb_up", **changes}


def test_a_thumb_is_stored_with_person_and_version(client, version) -> None:
    person = user()
    client.force_login(person)
    body = moment()
    assert posted(client, body).status_code == 201
    row = Feedback.objects.get()
    assert (row.user, row.model_version, row.kind, row.query) == (person, version, "thumb_up", "a dog")
    posted(client, {**body, "kind": "thumb_down"})
    assert [row.kind for row in Feedback.objects.all()] == ["thumb_down"]  # who changes the mind has one voice
    posted(client, {**body, "kind": "click"})
    assert Feedback.objects.count() == 2


def test_strangers_only_where_search_is_public(client, settings) -> None:
    assert posted(client, moment()).status_code == 401
    assert client.post("/feedback", moment()).status_code == 302 and not Feedback.objects.exists()
    settings.PUBLIC_SEARCH = True
    assert posted(client, moment()).status_code == 201
    assert Feedback.objects.get().user is None


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"query": " "}, "#/query"),
        ({"query": "x" * 501}, "#/query"),
        ({"kind": "love"}, "#/kind"),
        ({"start": 5.0, "end": 5.0}, "#/start"),
        ({"start": -1}, "#/start"),
        ({"video": "x"}, "#/video"),
    ],
)
def test_bad_feedback_points_at_the_field(client, changes, pointer) -> None:
    client.force_login(user())
    answer = posted(client, moment(**changes))
    assert answer.status_code == 400 and answer.json()["errors"][0]["pointer"] == pointer


def test_an_unknown_video_is_not_found(client) -> None:
    client.force_login(user())
    assert posted(client, moment(video=str(uuid4()))).status_code == 404


def test_a_finger_gone_wild_is_slowed_down(client, settings) -> None:
    settings.LIMITS = {**settings.LIMITS, "feedback": (3, 60.0)}
    client.force_login(user())
    body = moment()
    codes = [client.post("/feedback", {**body, "kind": "click"}).status_code for _ in range(5)]
    assert codes == [204, 204, 204, 429, 429]
    answer = posted(client, body)
    assert answer.status_code == 429 and answer["Retry-After"]


def test_the_form_on_a_result_works_as_a_form_and_as_a_fragment(client, version, settings) -> None:
    settings.PUBLIC_SEARCH = True
    video = plant(version, "walk", [("dog", 0.9)])
    page = client.get("/?q=dog").content.decode()
    assert 'action="/feedback"' in page and f'name="video" value="{video.id}"' in page
    body = moment(video=str(video.id), start="0", end="4", query="dog", next="/?q=dog")
    plain = client.post("/feedback", body, follow=True)
    assert plain.redirect_chain == [("/?q=dog", 302)] and b"Marked as right." in plain.content
    fragment = client.post("/feedback", {**body, "kind": "thumb_down"}, headers={"HX-Request": "true"})
    assert fragment.status_code == 200 and b"Marked as wrong." in fragment.content and b"<html" not in fragment.content
    away = client.post("/feedback", {**body, "next": "https://evil.example/"})
    assert away["Location"] == "/"
    wrong = client.post("/feedback", {**body, "kind": "love"}, headers={"HX-Request": "true"})
    assert b"kind must be one of" in wrong.content


def test_the_form_needs_its_csrf_token(settings) -> None:
    settings.PUBLIC_SEARCH = True
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/feedback", moment()).status_code == 403
