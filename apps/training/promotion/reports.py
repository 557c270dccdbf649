"""What the candidate's job writes: the version beside the active one, judged by the gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.embeddings.models import ModelVersion
from apps.training.models import EvaluationReport, TrainingRun
from apps.training.promotion.gate import Evidence, Gain, judge

EXAMPLES_KEPT = 40


@dataclass(frozen=True)
class Comparison:
    """Figures of a candidate beside the active version; see the fields of EvaluationReport."""

    videos: int = 0
    queries: int = 0
    metrics: dict[str, Any] = field(default_factory=dict)
    gain: Gain | None = None
    guard: Gain | None = None
    guard_name: str = ""
    examples: Sequence[dict[str, Any]] = ()


def report_write(
    *,
    run: TrainingRun,
    candidate: ModelVersion,
    active: ModelVersion | None,
    comparison: Comparison,
    library: dict[str, Any],
    canaries: Sequence[dict[str, Any]],
) -> EvaluationReport:
    """Judge and store; called by the job in its transaction."""
    failed = [f"{canary['name']}: {canary['detail']}" for canary in canaries if not canary["ok"]]
    verdict = judge(Evidence(comparison.gain, comparison.guard, float(library.get("coverage", 0.0)), failed))
    return EvaluationReport.objects.create(
        run=run,
        candidate=candidate,
        active=active,
        candidate_weights=candidate.weights_sha256,
        active_weights=active.weights_sha256 if active is not None else "",
        active_name=str(active) if active is not None else "nothing",
        dataset_sha256=run.dataset.sha256,
        held_out_sha256=run.dataset.held_out_sha256,
        videos=comparison.videos,
        queries=comparison.queries,
        metrics=comparison.metrics,
        gain=asdict(comparison.gain) if comparison.gain is not None else None,
        guard={**asdict(comparison.guard), "name": comparison.guard_name} if comparison.guard is not None else None,
        library=library,
        canaries=list(canaries),
        examples=list(comparison.examples[:EXAMPLES_KEPT]),
        verdict=asdict(verdict),
    )
