"""Verdicts of people when the copy model is really exchanged: registered, indexed, promoted, scanned, rolled back."""

from __future__ import annotations

import pytest

from apps.core.jobs import enqueue
from apps.duplicates.job_kinds import SCAN
from apps.duplicates.models import DuplicateGroup, VideoMatch
from apps.duplicates.review.decisions import group_confirm, group_dismiss
from apps.embeddings.model_versions import model_version_promote, model_version_register
from apps.embeddings.models import ModelVersion
from tests.apps.duplicates.planted import DIM, edited, planted_video, random_frames, store
from tests.apps.duplicates.rows import groups, ids
from worker.tasks import matching
from worker.types import EmbedderSpec

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


def registered(name: str) -> ModelVersion:
    return model_version_register(spec=EmbedderSpec("copy", name, "1", DIM, 96, "p", name), folder="")


def scanned() -> None:
    matching.scan(str(enqueue(kind=SCAN).id))


def test_verdicts_survive_the_switch_to_another_copy_model_and_back():
    old = registered("old")
    model_version_promote(version_id=old.id)
    sources = [random_frames(seed, 30) for seed in (1, 2, 3)]
    pairs = [
        (planted_video(old, f"{n}", source), planted_video(old, f"{n} again", edited(source, 10 + n)))
        for n, source in enumerate(sources)
    ]
    scanned()
    dismissed, confirmed, waiting = pairs
    group_dismiss(group_id=groups()[ids(*dismissed)].id, reviewer=None)
    group_confirm(group_id=groups()[ids(*confirmed)].id, keeper_id=confirmed[1].id, reviewer=None)
    expected = {ids(*dismissed): "dismissed", ids(*confirmed): "confirmed", ids(*waiting): "open"}
    assert {members: group.state for members, group in groups().items()} == expected
    before = {group.id for group in DuplicateGroup.objects.all()}

    new = registered("new")
    for number, (one, other) in enumerate(pairs):
        vectors = random_frames(100 + number, 30)  # another model, other vectors
        store(new, one, vectors)
        store(new, other, edited(vectors, 200 + number))
    model_version_promote(version_id=new.id)
    scanned()
    assert set(VideoMatch.objects.values_list("model_version_id", flat=True)) == {new.id}
    assert {members: group.state for members, group in groups().items()} == expected
    assert groups()[ids(*confirmed)].keeper == confirmed[1]
    assert {group.id for group in DuplicateGroup.objects.all()} == before

    model_version_promote(version_id=old.id)
    scanned()
    assert set(VideoMatch.objects.values_list("model_version_id", flat=True)) == {old.id}
    assert {members: group.state for members, group in groups().items()} == expected
