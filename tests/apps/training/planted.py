"""Datasets, runs, candidates and reports as the workers would have left them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from apps.embeddings.models import ModelVersion
from apps.training.models import Dataset, EvaluationReport, TrainingRun
from apps.training.promotion.gate import Gain
from apps.training.promotion.reports import Comparison, report_write
from apps.training.runs.lifecycle import run_create
from apps.training.runs.recipes import recipe_preset
from tests.apps.embeddings.towers import write_tower

GOOD = Gain(12.0, 4.0, 20.0, 40)
NO_CHANGE = Gain(1.0, -4.0, 6.0, 40)
GUARD = Gain(0.2, -1.0, 1.4, 30)
LOST = Gain(-9.0, -14.0, -4.0, 30)


def frozen(**fields: Any) -> Dataset:
    dataset = Dataset(name="walks", source="library", state="frozen", sha256=uuid4().hex, held_out_sha256=uuid4().hex)
    dataset.counts = {"items": 40, "captions": 90, "groups": 40, "split": {"train": 32, "validation": 4, "test": 4}}
    for name, value in fields.items():
        setattr(dataset, name, value)
    dataset.folder.mkdir(parents=True)
    dataset.path = str(dataset.folder / "manifest.jsonl")
    Path(dataset.path).write_text(json.dumps({"id": "1", "video": "/a.mp4", "captions": ["a"]}) + "\n")
    dataset.save()
    return dataset


def semantic(state: str = ModelVersion.State.SERVING, name: str = "base") -> ModelVersion:
    """A version whose text tower knows a few words (tests.apps.embeddings.towers.WORDS)."""
    version = ModelVersion.objects.create(role="semantic", name=name, dim=16, state=state, weights_sha256=uuid4().hex)
    version.folder = str(write_tower(Path(settings.MODELS_DIR) / str(version.id)))
    version.save()
    return version


def draft(base: ModelVersion | None = None, **fields: Any) -> TrainingRun:
    base = base or ModelVersion.objects.filter(state="serving", role="semantic").first() or semantic()
    return run_create(dataset_id=frozen(**fields).id, recipe="adapter", base_id=base.id)


def done(base: ModelVersion | None = None) -> TrainingRun:
    """A finished run whose candidate is not active."""
    run = draft(base)
    run.state, run.candidate = TrainingRun.State.DONE, semantic("ready", "candidate")
    run.save()
    (Path(run.candidate.folder) / "README.md").write_text(
        "# A card\n\nTrained on **walks** <script>alert(1)</script>\n"
    )
    return run


def report(
    run: TrainingRun,
    *,
    gain: Gain | None = GOOD,
    guard: Gain | None = GUARD,
    coverage: float = 1.0,
    canaries_ok: bool = True,
) -> EvaluationReport:
    interval = {"value": 30.0, "low": 25.0, "high": 35.0}
    names = ("r1", "r5", "r10", "rsum", "map", "mdr", "mnr")
    sides = {way: dict.fromkeys(names, interval) for way in ("t2v", "v2t")}
    assert run.candidate is not None
    return report_write(
        run=run,
        candidate=run.candidate,
        active=ModelVersion.objects.filter(role="semantic", state="serving").first(),
        comparison=Comparison(
            videos=40, queries=90, metrics={"active": sides, "candidate": sides}, gain=gain, guard=guard,
            guard_name="titles",
            examples=[{"query": "a dog", "right": "walk.mp4", "active_rank": 9, "candidate_rank": 1}],
        ),
        library={"ready": 5, "candidate": 5, "active": 5, "coverage": coverage},
        canaries=[{"name": "text tower", "ok": canaries_ok, "detail": "cosine 1.0"}],
    )  # fmt: skip


def recipe(**changes: Any) -> dict[str, Any]:
    return {**recipe_preset("adapter"), **changes}
