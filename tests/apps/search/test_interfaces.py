"""The API, the command and the page over the same service."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from tests.apps.search.planted import plant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_SEARCH = True


def test_the_api_answers_as_documented(client, version):
    video = plant(version, "walk", [("dog", 0.9), ("car", 0.9)])
    answer = client.get("/api/v1/search", {"q": "dog", "limit": 5}).json()
    assert set(answer) == {"results", "page", "index", "warnings", "hints", "suggestions", "took_ms"}
    (result,) = answer["results"]
    assert result["rank"] == 1
    assert result["video"] == {"id": str(video.id), "title": "walk", "duration": 60.0, "missing_since": None}
    moment = result["moments"][0]
    assert (moment["rank"], moment["start"], moment["end"], moment["matched"]) == (1, 0.0, 4.0, ["visual"])
    assert moment["play_url"] == f"/videos/{video.id}?t=0"
    assert answer["page"] == {"next_cursor": None}
    assert answer["index"] == {"model_version": str(version), "searchable": 1, "pending": 0}


def test_post_and_get_answer_alike(client, version):
    plant(version, "walk", [("dog", 0.9)])
    body = {"q": "dog", "limit": 5, "min_duration": 1, "tags": []}
    posted = client.post("/api/v1/search", json.dumps(body), content_type="application/json")
    assert posted.status_code == 200
    assert posted.json()["results"] == client.get("/api/v1/search?q=dog&limit=5&min_duration=1").json()["results"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("limit=101", "limit"),
        ("min_duration=long", "min_duration"),
        ("min_duration=nan", "min_duration"),
        ("min_duration=9&max_duration=3", "min_duration"),
        ("since=yesterday", "since"),
        ("until=2026-02-31", "until"),
        ("min_resolution=-1", "min_resolution"),
        ("source=mars", "source"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(client, query, field):
    response = client.get(f"/api/v1/search?q=dog&{query}")
    assert response.status_code == 400
    assert response["Content-Type"].startswith("application/problem+json")
    assert response.json()["errors"][0]["pointer"] == f"#/{field}"


@pytest.mark.parametrize("body", ["[]", '{"q": 5}', '{"q": {"a": 1}}', '{"q": "dog", "limit": true}', '{"tag": 3}'])
def test_a_body_of_the_wrong_shape_is_a_bad_request(client, body):
    assert client.post("/api/v1/search", body, content_type="application/json").status_code == 400


def test_a_lone_surrogate_in_a_body_is_no_server_error(client):
    body = '{"q": "dog \\ud800", "tag": "\\ud800"}'
    assert client.post("/api/v1/search", body, content_type="application/json").status_code == 400


def test_a_video_whose_file_is_missing_is_marked_everywhere(client, version):
    now = timezone.now()
    video = plant(version, "walk", [("dog", 0.9)])
    Video.objects.filter(id=video.id).update(missing_since=now)
    (result,) = client.get("/api/v1/search?q=dog").json()["results"]
    assert result["video"]["missing_since"] == now.isoformat()
    assert "file missing" in client.get("/?q=dog").content.decode()
    out = StringIO()
    call_command("search", "dog", stdout=out)
    assert "1. walk (file missing)" in out.getvalue()


def test_an_expired_cursor_is_gone_and_a_missing_encoder_is_unavailable(client, version):
    plant(version, "walk", [("dog", 0.9)])
    assert client.get("/api/v1/search?cursor=nonsense").status_code == 410
    ModelVersion.objects.update(folder="/nowhere")
    response = client.get("/api/v1/search?q=dog")
    assert response.status_code == 503
    assert "doctor" in response.json()["detail"]


def test_strangers_may_not_search_unless_a_setting_says_so(client, settings):
    settings.PUBLIC_SEARCH = False
    assert client.get("/api/v1/search?q=dog").status_code == 401


def test_pages_of_the_api_follow_each_other(client, version):
    for i in range(5):
        plant(version, f"v{i}", [("dog", 0.9 - i / 10)])
    first = client.get("/api/v1/search?q=dog&limit=3").json()
    second = client.get("/api/v1/search", {"cursor": first["page"]["next_cursor"], "limit": 3}).json()
    assert [r["video"]["title"] for r in first["results"] + second["results"]] == [f"v{i}" for i in range(5)]


def test_more_like_this_moment(client, version):
    video = plant(version, "walk", [("dog", 0.9)])
    plant(version, "run", [("dog", 0.8)])
    answer = client.get(f"/api/v1/videos/{video.id}/similar?t=1").json()
    assert [result["video"]["title"] for result in answer["results"]] == ["run"]
    assert client.get(f"/api/v1/videos/{video.id}/similar?t=-1").status_code == 400
    assert client.get(f"/api/v1/videos/{version.id}/similar").status_code == 404


def test_the_command_prints_moments_or_the_json_of_the_api(version):
    plant(version, "walk", [("car", 0.9), ("dog", 0.9)])
    out = StringIO()
    call_command("search", "dog", stdout=out)
    assert "1. walk" in out.getvalue()
    assert "0:04-0:08" in out.getvalue()
    out = StringIO()
    call_command("search", "dog", "--json", "--limit", "3", stdout=out)
    assert json.loads(out.getvalue())["results"][0]["moments"][0]["start"] == 4.0
    with pytest.raises(CommandError, match="limit"):
        call_command("search", "dog", "--limit", "0", stdout=out)
