from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models

from apps.core.models import BaseModel, Job
from apps.embeddings.models import ModelVersion

MANIFEST, HELD_OUT = "manifest.jsonl", "held-out.jsonl"
CURVE = Path("events") / "curve.jsonl"  # as worker.training.loop.events writes it


class Dataset(BaseModel):
    """Captions with their videos, frozen by a job: written once, hashed, the held-out part set aside; never changed."""

    class Source(models.TextChoices):
        MANIFEST = "manifest", "manifest (JSON lines)"
        CSV = "csv", "table (CSV)"
        LIBRARY = "library", "titles, descriptions and subtitles of the library"
        FEEDBACK = "feedback", "clicks and thumbs of searches"

    class State(models.TextChoices):
        WAITING = "waiting", "being frozen"
        FROZEN = "frozen", "frozen"
        FAILED = "failed", "failed"

    name = models.CharField(max_length=120)
    source = models.CharField(max_length=16, choices=Source)
    # What the job needs to know: which texts, the uploaded file's name, whether any path of the server may be named.
    options: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING, db_index=True)
    failure_code = models.CharField(max_length=64, blank=True)
    failure = models.TextField(blank=True)
    path = models.TextField(blank=True)  # of the frozen manifest; its held-out part lies beside it
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    held_out_sha256 = models.CharField(max_length=64, blank=True)
    # items, captions, groups, and the same of each split
    counts: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    # {"line", "id", "code", "message"}: everything that was left out, with the reason
    problems: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list, blank=True)
    # Every candidate is measured on it, too, and must not be worse there than the active version.
    guards = models.BooleanField("guard set", default=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> Path:
        return Path(settings.TRAINING_DIR) / "datasets" / str(self.id)

    @property
    def item_count(self) -> int:
        return int(self.counts.get("items", 0))

    @property
    def held_out_path(self) -> Path:
        return self.folder / HELD_OUT


class TrainingRun(BaseModel):
    """One training from a base version on a frozen dataset; it makes a candidate version, never an active one."""

    class State(models.TextChoices):
        DRAFT = "draft", "not started"
        QUEUED = "queued", "waiting"
        RUNNING = "running", "training"
        STOPPED = "stopped", "stopped"
        DONE = "done", "done"
        FAILED = "failed", "failed"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="runs")
    recipe: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField()
    base = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="trained_runs")
    base_name = models.CharField(max_length=300)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT, db_index=True)
    job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    candidate = models.OneToOneField(
        ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="training_run"
    )
    candidate_job = models.ForeignKey(Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    # {"seconds", "items", "captions", "checked": whether the job's first stage said so}
    estimate: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    # {"before", "after", "best_epoch", "stopped_early", ...} as the training returned them
    figures: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict, blank=True)
    problems: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list, blank=True)
    note = models.TextField(blank=True)  # the last message of the training, such as a halved micro-batch
    reason_code = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        permissions = [("train", "Can train and promote models")]

    def __str__(self) -> str:
        return f"{self.recipe.get('title') or self.recipe.get('name', 'recipe')} on {self.dataset.name}"

    @property
    def folder(self) -> Path:
        return Path(settings.TRAINING_DIR) / "runs" / str(self.id)

    @property
    def curve_path(self) -> Path:
        return self.folder / CURVE

    @property
    def active(self) -> bool:
        return self.state in {self.State.QUEUED, self.State.RUNNING}


class EvaluationReport(BaseModel):
    """A candidate compared with the active version on the same held-out queries; written once by its job."""

    run = models.ForeignKey(TrainingRun, on_delete=models.CASCADE, related_name="reports")
    candidate = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    active = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    candidate_weights = models.CharField(max_length=64)
    active_weights = models.CharField(max_length=64)
    active_name = models.CharField(max_length=300)
    dataset_sha256 = models.CharField(max_length=64)
    held_out_sha256 = models.CharField(max_length=64)
    videos = models.PositiveIntegerField(default=0)
    queries = models.PositiveIntegerField(default=0)
    # {"candidate"|"active": {"t2v"|"v2t": {metric: {"value", "low", "high"}}}}; recalls and mAP in per cent
    metrics: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # {"value", "low", "high", "units"}: R@sum of the same queries, candidate less active, in points; None without data
    gain: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    guard: models.JSONField[dict[str, Any] | None, dict[str, Any] | None] = models.JSONField(null=True)
    # {"ready", "candidate", "active", "coverage"}: videos and those with vectors of each version
    library: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    # {"name", "ok", "detail"} of each check that the index and the text tower of the candidate answer rightly
    canaries: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list)
    # {"query", "right", "active_rank", "candidate_rank"} of the queries that changed most
    examples: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(default=list)
    # {"passed", "reasons": [{"ok", "text"}]} as apps.training.promotion.gate judged it
    verdict: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.run}: {'passed' if self.verdict.get('passed') else 'did not pass'}"


class PromotionDecision(models.Model):
    """Append-only: who made which version active, and why."""

    class Action(models.TextChoices):
        PROMOTE = "promote", "promoted"
        ROLL_BACK = "roll_back", "rolled back to"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="decisions")
    version_name = models.CharField(max_length=300)
    version_weights = models.CharField(max_length=64, db_index=True)
    previous = models.ForeignKey(ModelVersion, null=True, on_delete=models.SET_NULL, related_name="+")
    previous_name = models.CharField(max_length=300, blank=True)
    action = models.CharField(max_length=16, choices=Action)
    report = models.ForeignKey(EvaluationReport, null=True, blank=True, on_delete=models.SET_NULL)
    verdict: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    overridden = models.BooleanField(default=False)
    note = models.TextField(blank=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    decided_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-decided_at"]

    def __str__(self) -> str:
        return f"{self.get_action_display()} {self.version_name}"
