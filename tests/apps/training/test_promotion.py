"""Promotion goes through the gate, is recorded, and never disturbs a search; so does the way back."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest
from django.db import close_old_connections, connection

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.models import Job
from apps.embeddings.model_versions import model_version_promote, model_version_remove
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex, index_name
from apps.search.searching import search_moments
from apps.training.models import PromotionDecision, TrainingRun
from apps.training.promotion.decisions import GateRefusal, candidate_promote, version_roll_back
from apps.training.runs.lifecycle import run_start
from tests.apps.embeddings.library import clip_rows, make_video
from tests.apps.people import user
from tests.apps.search.planted import towards
from tests.apps.training.planted import GUARD, LOST, NO_CHANGE, done, draft, report, semantic

pytestmark = pytest.mark.django_db


def candidate_of(run: TrainingRun) -> ModelVersion:
    assert run.candidate is not None
    return run.candidate


def test_a_candidate_with_a_good_report_serves_and_the_decision_is_on_record() -> None:
    base, boss = semantic(), user("Trainers")
    run = done(base)
    found = report(run)
    promoted = candidate_promote(version_id=candidate_of(run).id, person=boss)
    assert promoted.job is None and model_version_serving("semantic") == run.candidate
    decision = PromotionDecision.objects.get()
    assert (decision.version, decision.previous, decision.report) == (run.candidate, base, found)
    assert (decision.person, decision.overridden, decision.action) == (boss, False, "promote")
    with pytest.raises(Conflict, match="already"):
        candidate_promote(version_id=candidate_of(run).id, person=boss)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"gain": NO_CHANGE}, "Not measurably better"),
        ({"guard": LOST}, "Worse on the guard"),
        ({"guard": None}, "not checked whether the candidate"),
        ({"gain": None}, "held out"),
        ({"coverage": 0.4}, "finds only 40.0 %"),
        ({"canaries_ok": False}, "Canary"),
    ],
)
def test_the_gate_refuses_with_its_reasons_and_nothing_changes(facts: dict[str, object], words: str) -> None:
    base = semantic()
    run = done(base)
    report(run, **facts)  # type: ignore[arg-type]
    with pytest.raises(GateRefusal, match=words):
        candidate_promote(version_id=candidate_of(run).id, person=None)
    assert model_version_serving("semantic") == base and not PromotionDecision.objects.exists()


def test_without_a_report_or_with_an_old_one_nothing_is_promoted() -> None:
    base = semantic()
    run = done(base)
    with pytest.raises(GateRefusal, match="has not been evaluated"):
        candidate_promote(version_id=candidate_of(run).id, person=None)
    found = report(run)
    other = semantic("ready", "another")
    model_version_promote(version_id=other.id)
    with pytest.raises(GateRefusal, match="no longer active"):
        candidate_promote(version_id=candidate_of(run).id, person=None)
    model_version_promote(version_id=base.id)
    found.candidate_weights = "others"
    found.save()
    with pytest.raises(GateRefusal, match="other weights"):
        candidate_promote(version_id=candidate_of(run).id, person=None)
    found.candidate_weights, found.dataset_sha256 = candidate_of(run).weights_sha256, "other"
    found.save()
    with pytest.raises(GateRefusal, match="another dataset"):
        candidate_promote(version_id=candidate_of(run).id, person=None)


def test_a_person_may_override_with_a_reason_that_is_kept() -> None:
    run = done(semantic())
    report(run, gain=NO_CHANGE, guard=GUARD)
    with pytest.raises(InvalidInput, match="sentence"):
        candidate_promote(version_id=candidate_of(run).id, person=None, override="because")
    candidate_promote(version_id=candidate_of(run).id, person=None, override="We looked at twenty queries by hand.")
    decision = PromotionDecision.objects.get()
    assert decision.overridden and "twenty queries" in decision.note
    assert "Not measurably better" in decision.verdict["refusals"][0]


def test_no_other_door_lets_a_candidate_serve() -> None:
    base = semantic()
    run = done(base)
    with pytest.raises(Conflict, match="was trained here"):
        model_version_promote(version_id=candidate_of(run).id)
    assert model_version_serving("semantic") == base


def test_rolling_back_is_for_versions_that_served() -> None:
    base = semantic("ready")
    model_version_promote(version_id=base.id)
    run = done(base)
    with pytest.raises(Conflict, match="was never active"):
        version_roll_back(version_id=candidate_of(run).id, person=None)
    report(run)
    candidate_promote(version_id=candidate_of(run).id, person=None)
    version_roll_back(version_id=base.id, person=None, note="worse at night")
    assert model_version_serving("semantic") == base
    # And forward again, without a new report: it has served.
    version_roll_back(version_id=candidate_of(run).id, person=None)
    assert model_version_serving("semantic") == run.candidate
    assert list(PromotionDecision.objects.order_by("decided_at").values_list("action", flat=True)) == [
        "promote", "roll_back", "roll_back",
    ]  # fmt: skip
    with pytest.raises(NotFound):
        version_roll_back(version_id=UUID(int=0), person=None)


def test_a_version_that_lacks_videos_indexes_them_before_it_serves() -> None:
    base = semantic()
    run = done(base)
    report(run)
    video = make_video()
    PgVectorIndex().upsert("clip", video.id, base.id, clip_rows(towards("dog", 0.9)[None]))
    promoted = candidate_promote(version_id=candidate_of(run).id, person=None)
    assert promoted.job is not None and promoted.job.kind == "model_install"
    assert model_version_serving("semantic") == base
    again = candidate_promote(version_id=candidate_of(run).id, person=None)
    assert again.job == promoted.job and Job.objects.filter(kind="model_install").count() == 1


@pytest.mark.django_db(transaction=True)
def test_searches_during_promotions_and_roll_backs_never_mix_versions_and_never_fail() -> None:
    """Each version finds its own video only: an answer that held both, or none, would have mixed them."""
    base = semantic("ready")
    model_version_promote(version_id=base.id)
    run = done(base)
    report(run)
    candidate = candidate_of(run)
    shown = {base.id: make_video("of the base"), candidate.id: make_video("of the candidate")}
    index = PgVectorIndex()
    for version in (base, candidate):
        for owner, video in shown.items():
            cosine = 0.9 if owner == version.id else -0.5
            index.upsert("clip", video.id, version.id, clip_rows(towards("dog", cosine)[None]))
    for version in (base, candidate):
        index.ensure_index("clip", version.id, 16)
    search_moments(text="dog")
    ended = threading.Event()
    problems: list[str] = []
    answers: list[tuple[str, str, int]] = []

    def search() -> None:
        try:
            while not ended.is_set():
                answer = search_moments(text="dog")
                answers.append((answer.index.model_version, answer.results[0].video.title, len(answer.results)))
        except BaseException as error:  # noqa: BLE001  a thread must hand its failure over
            problems.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        candidate_promote(version_id=candidate.id, person=None)
        for turn in range(12):
            version_roll_back(version_id=(base if turn % 2 == 0 else candidate).id, person=None)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        close_old_connections()
    assert problems == []
    titles = {"base": "of the base", "candidate": "of the candidate"}
    assert len(answers) > 8
    for name, title, count in answers:
        assert count == 2
        assert title == next(words for key, words in titles.items() if key in name), answers[:5]


@pytest.mark.django_db(transaction=True)
def test_two_promotions_at_once_take_turns() -> None:
    base = semantic("ready")
    model_version_promote(version_id=base.id)
    runs = [done(base) for _ in range(3)]
    for run in runs:
        report(run)
    said: list[str] = []

    def promote(version_id: UUID) -> None:
        try:
            candidate_promote(version_id=version_id, person=None)
            said.append("promoted")
        except GateRefusal:
            said.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=promote, args=[candidate_of(run).id]) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # The second compares with a version that no longer active, so it must be evaluated again.
    assert sorted(said) == ["promoted", "refused", "refused"]
    assert ModelVersion.objects.filter(state="serving", role="semantic").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_version_is_removed_with_vectors_index_and_folder_but_never_the_serving_one() -> None:
    base = semantic("ready")
    model_version_promote(version_id=base.id)
    run = done(base)
    old, index = candidate_of(run), PgVectorIndex()
    video = make_video()
    for version in (base, old):
        index.upsert("clip", video.id, version.id, clip_rows(towards("dog", 0.9)[None]))
    index.ensure_index("clip", old.id, 16)
    with pytest.raises(Conflict, match="is active"):
        model_version_remove(version_id=base.id)
    model_version_remove(version_id=old.id)
    assert not Path(old.folder).exists() and Path(base.folder).exists()
    assert ClipEmbedding.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [index_name("clip", old.id)])
        assert cursor.fetchone() == (None,)
    run.refresh_from_db()
    assert run.candidate is None
    with pytest.raises(NotFound):
        model_version_remove(version_id=old.id)


def test_a_version_that_is_needed_is_not_removed() -> None:
    serving, base = semantic(), semantic("ready", "old")
    assert serving is not None
    run_start(run_id=draft(base).id)
    with pytest.raises(Conflict, match="training run starts"):
        model_version_remove(version_id=base.id)
    copy = semantic("ready", "busy")
    Job.objects.create(kind="model_install", subject_id=copy.id)
    with pytest.raises(Conflict, match="job works"):
        model_version_remove(version_id=copy.id)


def test_a_folder_outside_the_data_directory_stays(tmp_path: Path, django_capture_on_commit_callbacks) -> None:  # type: ignore[no-untyped-def]
    version = semantic("ready")
    own = tmp_path / "mine"
    own.mkdir()
    version.folder = str(own)
    version.save()
    with django_capture_on_commit_callbacks(execute=True):
        model_version_remove(version_id=version.id)
    assert own.is_dir() and not ModelVersion.objects.exists()
