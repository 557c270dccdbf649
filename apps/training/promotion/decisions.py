"""Promoting a candidate and rolling back: one recorded decision, one transaction for the switch.

A candidate can become active when a current report says that it passed; otherwise a person must write a reason. A
version that was active before needs no report to become active again: that is rolling back. A version that lacks videos
added since is indexed first and switched by that job; the decision is recorded before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Conflict, InvalidInput
from apps.core.jobs import enqueue
from apps.core.models import Job
from apps.core.plain import one_line
from apps.embeddings.job_kinds import MODEL_INSTALL
from apps.embeddings.model_versions import model_version_lacks_videos, model_version_promote, role_locked
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training.models import EvaluationReport, PromotionDecision, TrainingRun

Action = PromotionDecision.Action
SHORTEST_NOTE = 10  # characters: "because" is no reason


class GateRefusal(Conflict):
    """The gate said no; ``reasons`` are for people."""

    title = "This version did not pass the gate"

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__(" ".join(reasons))


@dataclass(frozen=True, slots=True)
class Promoted:
    """``job``: indexes the videos that the version lacks, then makes it active; None when it is active already."""

    version: ModelVersion
    decision: PromotionDecision
    job: Job | None

    @property
    def words(self) -> str:
        if self.job is not None:
            return f"{self.version} first indexes the videos added since, then becomes active. See the jobs."
        return f"{self.version} answers all searches from now on."


def candidate_promote(*, version_id: UUID, person: User | None, override: str = "") -> Promoted:
    """Let a candidate serve. GateRefusal with the gate's reasons unless its report is fresh and good.

    ``override``: a written reason of at least ten characters with which a person makes it active anyway; it is
    recorded with the verdict. Raises NotFound, InvalidInput, Conflict.
    """
    with transaction.atomic():
        version, _ = role_locked(version_id)
        serving = model_version_serving(version.role)
        if serving == version:
            raise Conflict(f"{version} is active already.")
        report = report_of(version)
        reasons = report_refusals(report, version, serving)
        override = " ".join(one_line(override).split())
        if override and len(override) < SHORTEST_NOTE:
            raise InvalidInput("Write a sentence that says why it should become active anyway.", field="override")
        if reasons and not override:
            raise GateRefusal(reasons)
        verdict = report.verdict if report is not None else {"passed": False, "reasons": []}
        return _switch(
            version, serving, Action.PROMOTE, person,
            report=report, verdict={**verdict, "refusals": reasons}, overridden=bool(reasons), note=override,
        )  # fmt: skip


def version_roll_back(*, version_id: UUID, person: User | None, note: str = "") -> Promoted:
    """Make a version active that was active before. Conflict for one that never was: that is a promotion."""
    with transaction.atomic():
        version, _ = role_locked(version_id)
        serving = model_version_serving(version.role)
        if serving == version:
            raise Conflict(f"{version} is active already.")
        if version.promoted_at is None:
            raise Conflict(f"{version} was never active; promote it on its comparison page.")
        return _switch(version, serving, Action.ROLL_BACK, person, note=" ".join(one_line(note).split()))


def report_of(version: ModelVersion) -> EvaluationReport | None:
    """The newest report about the version."""
    reports = EvaluationReport.objects.filter(candidate=version).select_related("run__dataset", "active")
    return reports.order_by("-created_at").first()


def report_refusals(report: EvaluationReport | None, version: ModelVersion, serving: ModelVersion | None) -> list[str]:
    """Why the version did not pass by this report; empty when it did."""
    if report is None:
        return [f"{version} has not been evaluated yet."]
    stale = []
    if report.candidate_weights != version.weights_sha256:
        stale.append("The report is about other weights than those of this version.")
    if report.active_weights != (serving.weights_sha256 if serving is not None else ""):
        stale.append("The report compares with a version that is no longer active; evaluate again.")
    if report.dataset_sha256 != report.run.dataset.sha256:
        stale.append("The report is about another dataset than that of the run; evaluate again.")
    refusals = [reason["text"] for reason in report.verdict.get("reasons", []) if not reason["ok"]]
    if not report.verdict.get("passed") and not refusals:
        refusals = ["The report has no result; evaluate again."]
    return [*stale, *refusals]


def promotion_check(version: ModelVersion) -> None:
    """Registered with apps.embeddings, which runs it before every switch: a candidate has no other way."""
    if version.promoted_at is not None or not TrainingRun.objects.filter(candidate=version).exists():
        return
    decided = PromotionDecision.objects.filter(version=version, version_weights=version.weights_sha256)
    if not decided.exists():
        raise Conflict(f"{version} was trained here: compare and promote it on its page under Training.")


def removal_check(version: ModelVersion) -> None:
    """Registered with apps.embeddings: a version that a run at work needs is not removed."""
    at_work = TrainingRun.objects.filter(state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING])
    if at_work.filter(base=version).exists():
        raise Conflict(f"A training run starts from {version}. Stop it first.")
    active = [Job.State.QUEUED, Job.State.RUNNING]
    if TrainingRun.objects.filter(candidate=version, candidate_job__state__in=active).exists():
        raise Conflict(f"{version} is being indexed and evaluated. Cancel that job first.")


def _switch(
    version: ModelVersion, serving: ModelVersion | None, action: str, person: User | None, **facts: Any
) -> Promoted:
    decision = PromotionDecision.objects.create(
        version=version,
        version_name=str(version),
        version_weights=version.weights_sha256,
        previous=serving,
        previous_name=str(serving) if serving is not None else "",
        action=action,
        person=person,
        **facts,
    )
    waiting = Job.objects.filter(
        kind=MODEL_INSTALL.name, subject_id=version.id, state__in=[Job.State.QUEUED, Job.State.RUNNING]
    ).first()
    if waiting is not None:
        return Promoted(version, decision, waiting)
    if model_version_lacks_videos(version=version):
        job = enqueue(kind=MODEL_INSTALL, subject_id=version.id, title=f"{version}, then it becomes active")
        return Promoted(version, decision, job)
    return Promoted(model_version_promote(version_id=version.id), decision, None)
