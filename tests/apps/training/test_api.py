"""Training over the API: tokens, problem+json, and the same rules as the pages."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.accounts.tokens import token_create
from apps.embeddings.selectors import model_version_serving
from apps.training.models import Dataset
from tests.apps.people import user
from tests.apps.training.planted import NO_CHANGE, done, frozen, recipe, report, semantic

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(client: Client) -> Client:
    _, token = token_create(user=user("Trainers"), name="test", scopes=["train"])
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


def sent(client: Client, address: str, body: object | None = None, status: int = 200):  # type: ignore[no-untyped-def]
    answer = client.post(f"/api/v1{address}", json.dumps(body or {}), content_type="application/json")
    assert answer.status_code == status, answer.content
    if status >= 400:
        assert answer["Content-Type"] == "application/problem+json"
    return answer.json() if answer.content else None


@pytest.mark.parametrize(
    ("who", "status"), [(None, 401), ("Uploaders", 403), ("Reviewers", 403), ("Trainers", 200), ("Administrators", 200)]
)
def test_training_is_for_people_with_the_permission(client: Client, who: str | None, status: int) -> None:
    run = done(semantic())
    if who:
        client.force_login(user(who))
    for address in (
        "training-runs", f"training-runs/{run.id}", "training-datasets", f"training-datasets/{run.dataset_id}",
        "training-recipes", f"model-versions/{run.candidate_id}", f"model-versions/{run.candidate_id}/compare?q=dog",
    ):  # fmt: skip
        assert client.get(f"/api/v1/{address}").status_code == status, address
    for address in (f"training-runs/{run.id}/evaluate", f"model-versions/{run.candidate_id}/promote"):
        assert client.post(f"/api/v1/{address}").status_code in ({status} if status != 200 else {202, 409}), address


def test_a_run_is_made_started_read_stopped_and_resumed(api: Client) -> None:
    base, dataset = semantic(), frozen()
    run = sent(api, "/training-runs", {"dataset": str(dataset.id), "recipe": "adapter"}, 201)
    assert run["state"] == "queued" and run["base"] == str(base.id) and run["estimate"]["seconds"] > 0
    assert run["job"]["kind"] == "train" and run["curve"] == []
    assert sent(api, f"/training-runs/{run['id']}/stop", status=202)["state"] == "stopped"
    assert sent(api, f"/training-runs/{run['id']}/resume", status=202)["state"] == "queued"
    sent(api, f"/training-runs/{run['id']}/start", status=409)
    assert sent(api, f"/training-runs/{run['id']}/explode", status=404)
    own = recipe(epochs=2)
    drafted = sent(api, "/training-runs", {"dataset": str(dataset.id), "recipe": own, "start": False}, 201)
    assert drafted["state"] == "draft" and drafted["recipe"]["epochs"] == 2
    assert len(api.get("/api/v1/training-runs").json()["results"]) == 2
    assert len(api.get("/api/v1/training-runs?state=draft").json()["results"]) == 1
    assert api.get("/api/v1/training-runs?state=odd").status_code == 400
    assert api.delete(f"/api/v1/training-runs/{drafted['id']}").status_code == 204
    assert api.delete(f"/api/v1/training-runs/{run['id']}").status_code == 409


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"recipe": "adapter"}, "#/dataset"),
        ({"dataset": "x", "recipe": "adapter"}, "#/dataset"),
        ({"dataset": "SET", "recipe": "magic"}, "#/recipe"),
        ({"dataset": "SET", "recipe": {"name": "x"}}, "#/recipe"),
        ({"dataset": "SET", "recipe": 7}, "#/recipe"),
        ({"dataset": "SET", "recipe": {**recipe(), "epochs": -1}}, "#/recipe/epochs"),
    ],
)
def test_a_bad_request_points_at_the_field(api: Client, body: dict[str, object], pointer: str) -> None:
    semantic()
    dataset = frozen()
    given = {name: str(dataset.id) if value == "SET" else value for name, value in body.items()}
    assert sent(api, "/training-runs", given, 400)["errors"][0]["pointer"] == pointer


def test_datasets_come_from_files_and_from_the_library(api: Client) -> None:
    file = SimpleUploadedFile("m.jsonl", b'{"id": "1", "video": "a.mp4", "captions": ["x"]}\n')
    answer = api.post("/api/v1/training-datasets", {"file": file, "name": "mine"})
    assert answer.status_code == 201 and answer.json()["state"] == "waiting", answer.content
    wrong = SimpleUploadedFile("m.jsonl", b'{"image": 1}\n')
    refused = api.post("/api/v1/training-datasets", {"file": wrong})
    assert refused.status_code == 400 and "another schema" in refused.json()["detail"]
    sent(api, "/training-datasets", {"source": "library", "texts": ["title"]}, 201)
    sent(api, "/training-datasets", {"source": "library", "texts": ["smell"]}, 400)
    sent(api, "/training-datasets", {"source": "feedback", "name": "thumbs", "guards": True}, 201)
    sent(api, "/training-datasets", {"source": "file"}, 400)
    assert Dataset.objects.count() == 3
    spare = frozen()
    assert api.delete(f"/api/v1/training-datasets/{spare.id}").status_code == 204


def test_a_version_is_read_promoted_and_rolled_back(api: Client) -> None:
    base = semantic()
    base.promoted_at = base.created_at
    base.save()
    run = done(base)
    found = report(run, gain=NO_CHANGE)
    address = f"/model-versions/{run.candidate_id}"
    card = api.get(f"/api/v1{address}").json()
    assert card["lineage"] == [str(base)] and card["report"]["id"] == str(found.id)
    assert "Not measurably better" in card["refusals"][0] and "<b>walks</b>" in card["card_html"]
    refused = sent(api, f"{address}/promote", status=409)
    assert refused["title"] == "This version did not pass the gate" and "Not measurably better" in refused["detail"]
    assert sent(api, f"{address}/promote", {"override": "no"}, 400)["errors"][0]["pointer"] == "#/override"
    report(run)
    assert sent(api, f"{address}/promote")["version"]["state"] == "serving"
    assert model_version_serving("semantic") == run.candidate
    assert sent(api, f"/model-versions/{base.id}/roll-back")["version"]["state"] == "serving"
    assert api.delete(f"/api/v1{address}").status_code == 403  # removal is for administrators


def test_removal_is_for_administrators_and_never_of_the_serving_version(client: Client) -> None:
    base, old = semantic(), semantic("ready", "old")
    client.force_login(user("Administrators"))
    assert client.delete(f"/api/v1/model-versions/{base.id}").status_code == 409
    assert client.delete(f"/api/v1/model-versions/{old.id}").status_code == 204


def test_both_versions_answer_a_query(api: Client) -> None:
    run = done(semantic())
    both = api.get(f"/api/v1/model-versions/{run.candidate_id}/compare?q=dog").json()
    assert both["version"]["name"] == "candidate" and both["other"]["name"] == "base"
    assert api.get(f"/api/v1/model-versions/{run.candidate_id}/compare").status_code == 400
