"""The pages of training, as a browser without JavaScript gets them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.training.models import Dataset, TrainingRun
from apps.training.runs.lifecycle import run_start
from tests.apps.embeddings.library import clip_rows, make_video
from tests.apps.embeddings.towers import forget_towers
from tests.apps.people import user
from tests.apps.search.planted import towards
from tests.apps.training.planted import NO_CHANGE, done, draft, frozen, report, semantic

pytestmark = pytest.mark.django_db


@pytest.fixture
def trainer(client: Client) -> Client:
    client.force_login(user("Trainers"))
    return client


def shown(client: Client, address: str, status: int = 200, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == status, answer.content[:400]
    return answer.content.decode()


def test_pages_are_for_people_who_may_train(client: Client) -> None:
    run = done(semantic())
    addresses = [
        "/training/", "/training/datasets/new", "/training/runs/new", f"/training/runs/{run.id}",
        f"/training/datasets/{run.dataset_id}", f"/training/versions/{run.candidate_id}",
        f"/training/versions/{run.candidate_id}/compare",
    ]  # fmt: skip
    for address in addresses:
        assert client.get(address).status_code == 302
    client.force_login(user("Uploaders"))
    for address in addresses:
        assert client.get(address).status_code == 403
    assert "/training/" not in shown(client, "/")
    for who in ("Trainers", "Administrators"):
        client.force_login(user(who))
        for address in addresses:
            assert client.get(address).status_code == 200
        assert 'href="/training/"' in shown(client, "/")


def test_no_page_needs_inline_script_or_style(trainer: Client) -> None:
    base = semantic()
    run = done(base)
    report(run)
    run.curve_path.parent.mkdir(parents=True)
    run.curve_path.write_text("".join(json.dumps({"step": n, "loss": 5 / n, "t2v_r1": n}) + "\n" for n in range(1, 9)))
    draft(base)
    video = make_video("walk")
    for version in (base, run.candidate):
        assert version is not None
        PgVectorIndex().upsert("clip", video.id, version.id, clip_rows(towards("dog", 0.9)[None]))
    for address in (
        "/training/", "/training/datasets/new", "/training/runs/new", f"/training/runs/{run.id}",
        f"/training/versions/{run.candidate_id}", f"/training/versions/{run.candidate_id}/compare?q=dog",
    ):  # fmt: skip
        page = shown(trainer, address)
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script(?![^>]*\ssrc=)", page), address
        assert "dict_items" not in page


def test_a_dataset_is_made_from_the_library_or_from_a_file(trainer: Client) -> None:
    answer = trainer.post("/training/datasets/new", {"source": "library", "texts": ["title"], "name": "titles"})
    assert answer.status_code == 302 and "Waiting for a worker" in shown(trainer, answer["Location"])
    file = SimpleUploadedFile("m.jsonl", b'{"id": "1", "video": "a.mp4", "captions": ["x"]}\n')
    assert trainer.post("/training/datasets/new", {"source": "file", "file": file}).status_code == 302
    assert Dataset.objects.count() == 2
    wrong = SimpleUploadedFile("m.jsonl", b"\xff\xfe1\x00")
    refused = trainer.post("/training/datasets/new", {"source": "file", "file": wrong, "name": "kept"})
    assert refused.status_code == 400 and b"UTF-16" in refused.content and b'value="kept"' in refused.content
    assert trainer.post("/training/datasets/new", {"source": "file"}).status_code == 400
    assert trainer.post("/training/datasets/new", {}).status_code == 400


def test_a_run_is_chosen_costed_started_stopped_and_resumed(trainer: Client) -> None:
    base, dataset = semantic(), frozen()
    page = shown(trainer, f"/training/runs/new?dataset={dataset.id}")
    assert "Cost: " in page and "needs a GPU" in page
    assert "Cost: " in shown(trainer, f"/training/runs/estimate?dataset={dataset.id}&recipe=lora-gpu")
    assert "Choose a dataset" in shown(trainer, f"/training/runs/estimate?dataset={dataset.id}&recipe=none")
    answer = trainer.post("/training/runs/new", {"dataset": dataset.id, "recipe": "adapter", "base": base.id})
    run = TrainingRun.objects.get()
    assert answer["Location"] == f"/training/runs/{run.id}"
    assert "Start the run" in shown(trainer, answer["Location"])
    for action, state in (("start", "queued"), ("stop", "stopped"), ("resume", "queued")):
        assert trainer.post(f"/training/runs/{run.id}/{action}").status_code == 302
        run.refresh_from_db()
        assert run.state == state
    assert trainer.post(f"/training/runs/{run.id}/explode").status_code == 404
    again = trainer.post(f"/training/runs/{run.id}/start", follow=True)
    assert b"only a draft can be started" in again.content
    wrong = trainer.post("/training/runs/new", {"dataset": "x", "recipe": "adapter"})
    assert wrong.status_code == 400 and b"Choose one of the list" in wrong.content


def test_the_fragment_of_a_run_polls_only_while_something_moves(trainer: Client) -> None:
    run = run_start(run_id=draft().id)
    assert "every 2s" in shown(trainer, f"/training/runs/{run.id}/status")
    finished = done(run.base)
    page = shown(trainer, f"/training/runs/{finished.id}/status")
    assert "every 2s" not in page and "<html" not in page


def test_the_curves_are_drawn_with_words_for_those_who_do_not_see(trainer: Client) -> None:
    run = done(semantic())
    run.curve_path.parent.mkdir(parents=True)
    lines = [
        {"step": n, "loss": 4.0 / n, "t2v_r1": 2.0 * n, "t2v_r5": 3.0 * n, "t2v_r10": 4.0 * n} for n in range(1, 6)
    ]
    run.curve_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    page = shown(trainer, f"/training/runs/{run.id}")
    assert page.count("<polyline") == 4
    assert 'aria-label="Loss, step 1 to 5: loss 4 to 0.8"' in page
    assert "R@1 2 to 10, R@5 3 to 15, R@10 4 to 20" in page


def test_the_comparison_shows_the_verdict_and_promotes_and_rolls_back(trainer: Client) -> None:
    base = semantic()
    base.promoted_at = base.created_at
    base.save()
    run = done(base)
    report(run)
    address = f"/training/versions/{run.candidate_id}"
    page = shown(trainer, f"{address}/compare")
    assert "It passed" in page and "Better on held-out queries" in page and "Promote it now" in page
    assert "25.0 to 35.0" in page
    done_page = trainer.post(f"{address}/promote", follow=True).content.decode()
    assert "answers all searches from now on" in done_page and "Roll back to base" in done_page
    assert model_version_serving("semantic") == run.candidate
    back = trainer.post(f"/training/versions/{base.id}/roll-back", {"note": "night"}, follow=True).content.decode()
    assert "answers all searches from now on" in back and "Rolled back to" in back and "night" in back
    assert model_version_serving("semantic") == base


def test_a_refusal_says_why_and_an_override_needs_a_reason(trainer: Client) -> None:
    run = done(semantic())
    report(run, gain=NO_CHANGE)
    address = f"/training/versions/{run.candidate_id}"
    page = shown(trainer, f"{address}/compare")
    assert "It did not pass" in page and "Not measurably better" in page and "Promote it now" not in page
    assert "Not measurably better" in trainer.post(f"{address}/promote", follow=True).content.decode()
    trainer.post(f"{address}/promote", {"override": "Looked at it by hand, it is better."})
    assert model_version_serving("semantic") == run.candidate


def test_one_query_is_answered_by_both_versions_side_by_side(trainer: Client) -> None:
    base = semantic()
    run = done(base)
    assert run.candidate is not None
    first, second = make_video("beach walk"), make_video("city drive")
    for version, cosines in ((base, (0.4, 0.9)), (run.candidate, (0.9, 0.4))):
        for video, cosine in zip((first, second), cosines, strict=True):
            PgVectorIndex().upsert("clip", video.id, version.id, clip_rows(towards("dog", cosine)[None]))
    page = shown(trainer, f"/training/versions/{run.candidate_id}/compare?q=dog", **{"HX-Target": "answers"})
    assert "<html" not in page
    mine, theirs = page.split("Active version")
    assert mine.index("beach walk") < mine.index("city drive") and theirs.index("city drive") < theirs.index(
        "beach walk"
    )
    assert "1 up" in mine and "1 down" in mine
    (Path(run.candidate.folder) / "text.onnx").unlink()
    forget_towers()
    broken = shown(trainer, f"/training/versions/{run.candidate_id}/compare?q=dog", **{"HX-Target": "answers"})
    assert "missing" in broken and "city drive" in broken


def test_a_model_card_is_shown_as_text(trainer: Client) -> None:
    run = done(semantic())
    page = shown(trainer, f"/training/versions/{run.candidate_id}")
    assert "<b>walks</b>" in page and "<script>alert" not in page and "&lt;script&gt;" in page
    assert "base" in page  # its lineage
    assert shown(trainer, f"/training/versions/{ModelVersion.objects.first().id}")  # type: ignore[union-attr]
    missing = trainer.get("/training/versions/00000000-0000-0000-0000-000000000000")
    assert missing.status_code == 404


def test_a_dataset_becomes_a_guard_set_and_can_be_deleted(trainer: Client) -> None:
    dataset = frozen()
    trainer.post(f"/training/datasets/{dataset.id}/guard", {"guards": "yes"})
    dataset.refresh_from_db()
    assert dataset.guards and "guard set" in shown(trainer, f"/training/datasets/{dataset.id}")
    trainer.post(f"/training/datasets/{dataset.id}/delete")
    assert not Dataset.objects.exists()


@pytest.mark.parametrize("page", ["dataset", "trainingrun", "evaluationreport", "promotiondecision"])
def test_the_admin_lists_everything(client: Client, page: str) -> None:
    run = done(semantic())
    found = report(run)
    client.force_login(user("Administrators", is_staff=True))
    assert client.get(f"/admin/training/{page}/").status_code == 200
    assert client.get(f"/admin/training/evaluationreport/{found.id}/change/").status_code == 200
    assert client.get("/admin/search/feedback/").status_code == 200


def test_the_admin_removes_old_versions_and_refuses_the_serving_one(client: Client) -> None:
    base = semantic()
    old = semantic("ready", "old")
    client.force_login(user("Administrators", is_staff=True))
    address = "/admin/embeddings/modelversion/"
    chosen = {"action": "remove", "_selected_action": [str(base.id), str(old.id)]}
    page = client.post(address, chosen, follow=True).content.decode()
    assert "1 removed" in page and "is active" in page
    assert list(ModelVersion.objects.all()) == [base]
