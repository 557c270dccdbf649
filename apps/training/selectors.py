"""Reading datasets, runs, reports and model versions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.utils.safestring import SafeString

from apps.core.exceptions import InvalidInput, NotFound
from apps.core.models import Job
from apps.embeddings.model_versions import model_version_lacks_videos
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training.checks import USABLE
from apps.training.markdown import card_html
from apps.training.models import Dataset, EvaluationReport, PromotionDecision, TrainingRun
from apps.training.promotion.decisions import report_of, report_refusals
from apps.training.runs.curve import Chart, Point, draw, read_curve
from apps.videos.models import Video

LOSSES = (("loss", "loss"),)
RECALLS = (("t2v_r1", "R@1"), ("t2v_r5", "R@5"), ("t2v_r10", "R@10"))
PLAIN_RECALLS = (("r1", "R@1"), ("r5", "R@5"), ("r10", "R@10"))
CARD = "README.md"


def dataset_list() -> QuerySet[Dataset]:
    return (
        Dataset.objects.annotate(run_count=Count("runs")).select_related("owner", "job").order_by("-created_at", "-id")
    )


def dataset_get(*, dataset_id: UUID) -> Dataset:
    dataset = Dataset.objects.select_related("owner", "job").filter(id=dataset_id).first()
    if dataset is None:
        raise NotFound("There is no such dataset.")
    return dataset


def run_list(*, state: str = "") -> QuerySet[TrainingRun]:
    if state and state not in TrainingRun.State.values:
        raise InvalidInput(f"state must be one of {', '.join(TrainingRun.State.values)}.", field="state")
    runs = TrainingRun.objects.select_related("dataset", "base", "candidate", "job", "candidate_job", "started_by")
    return (runs.filter(state=state) if state else runs).order_by("-created_at", "-id")


def run_get(*, run_id: UUID) -> TrainingRun:
    run = run_list().filter(id=run_id).first()
    if run is None:
        raise NotFound("There is no such training run.")
    return run


def run_curve(run: TrainingRun) -> list[Point]:
    return read_curve(run.curve_path)


def run_charts(points: list[Point]) -> list[Chart]:
    """The loss, and the recall of the validation split in per cent."""
    recalls = RECALLS if any("t2v_r1" in point for point in points) else PLAIN_RECALLS
    charts = (draw("Loss", points, LOSSES), draw("Recall on the validation split, per cent", points, recalls))
    return [chart for chart in charts if chart is not None]


def report_latest(run: TrainingRun) -> EvaluationReport | None:
    return run.reports.select_related("candidate", "active").order_by("-created_at").first()


@dataclass(frozen=True, slots=True)
class Card:
    """A model version as people see it. ``refusals``: why it did not pass by its report; ``stale`` reports are among
    them. ``job``: what is being done with it."""

    version: ModelVersion
    run: TrainingRun | None
    report: EvaluationReport | None
    refusals: list[str]
    indexed: int
    clips: int
    ready: int
    lacks: bool
    job: Job | None
    text: SafeString
    decisions: list[PromotionDecision]

    @property
    def may_roll_back(self) -> bool:
        return self.version.promoted_at is not None and self.version.state == ModelVersion.State.READY

    @property
    def is_candidate(self) -> bool:
        return self.run is not None and self.version.state != ModelVersion.State.SERVING


def version_list() -> QuerySet[ModelVersion]:
    return ModelVersion.objects.select_related("training_run").order_by("-promoted_at", "-created_at")


def version_get(*, version_id: UUID) -> ModelVersion:
    version = ModelVersion.objects.select_related("training_run__dataset", "training_run__base").filter(id=version_id)
    found = version.first()
    if found is None:
        raise NotFound("There is no such model version.")
    return found


def version_card(version: ModelVersion) -> Card:
    """Counts vectors, so it costs a scan of the version's index."""
    run = TrainingRun.objects.filter(candidate=version).select_related("dataset", "base").first()
    report = report_of(version) if run is not None else None
    serving = model_version_serving(version.role)
    clips = ClipEmbedding.objects.filter(model_version=version, video__state=Video.State.READY).order_by()
    subjects = [version.id, *([run.id] if run is not None else [])]
    active = [Job.State.QUEUED, Job.State.RUNNING]
    return Card(
        version=version,
        run=run,
        report=report,
        refusals=report_refusals(report, version, serving) if run is not None else [],
        indexed=clips.values("video_id").distinct().count(),
        clips=clips.count(),
        ready=Video.objects.filter(state=Video.State.READY).count(),
        lacks=model_version_lacks_videos(version=version),
        job=Job.objects.filter(subject_id__in=subjects, state__in=active).order_by("-created_at").first(),
        text=card_text(version),
        decisions=list(PromotionDecision.objects.filter(version=version).select_related("person", "previous")[:20]),
    )


def card_text(version: ModelVersion) -> SafeString:
    """README.md of the version's folder, or of the folder of its base; "" without one."""
    if not version.folder:
        return SafeString("")
    try:
        return card_html((Path(version.folder) / CARD).read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return SafeString("")


def lineage(version: ModelVersion) -> list[tuple[ModelVersion | None, str]]:
    """(version, name) of its ancestors, nearest first; a removed one is only a name."""
    found: list[tuple[ModelVersion | None, str]] = []
    seen = {version.id}
    at: ModelVersion | None = version
    while at is not None:
        run = TrainingRun.objects.filter(candidate=at).select_related("base").first()
        if run is None or (run.base is not None and run.base.id in seen):
            break
        found.append((run.base, run.base_name))
        at = run.base
        if at is not None:
            seen.add(at.id)
    return found


def base_list() -> list[ModelVersion]:
    """Versions that a run can start from, the active one first."""
    versions = ModelVersion.objects.filter(role=ModelVersion.Role.SEMANTIC, state__in=USABLE)
    return sorted(versions, key=lambda v: (v.state != ModelVersion.State.SERVING, -v.created_at.timestamp()))


def version_before(serving: ModelVersion | None) -> ModelVersion | None:
    """The semantic version that was active before, to roll back to."""
    versions = ModelVersion.objects.filter(
        role=ModelVersion.Role.SEMANTIC, state=ModelVersion.State.READY, promoted_at__isnull=False
    )
    others = versions.exclude(id=serving.id) if serving is not None else versions
    return others.order_by("-promoted_at").first()


def metric_rows(report: EvaluationReport) -> list[tuple[str, list[tuple[str, Any, Any]]]]:
    """(direction, [(metric, of the active version, of the candidate)]) for tables."""
    names = (("r1", "R@1"), ("r5", "R@5"), ("r10", "R@10"), ("rsum", "R@sum"), ("map", "mAP"), ("mdr", "median rank"),
             ("mnr", "mean rank"))  # fmt: skip
    ways = (("t2v", "Text to video"), ("v2t", "Video to text"))
    active, candidate = report.metrics.get("active", {}), report.metrics.get("candidate", {})
    return [
        (title, [(label, active[way][name], candidate[way][name]) for name, label in names if name in active[way]])
        for way, title in ways
        if way in active and way in candidate
    ]
