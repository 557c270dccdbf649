"""How the subject of a job learns that the job failed or was cancelled."""

from __future__ import annotations

from django.db import transaction

from apps.core.models import Job
from apps.duplicates.lookups.states import lookup_mark_failed
from apps.embeddings.models import ModelVersion
from apps.training.datasets.lifecycle import dataset_mark_failed
from apps.training.runs.lifecycle import candidate_mark_idle, run_mark_failed
from apps.videos.ingest import video_mark_failed
from vsearch.jobs import JobKind
from worker.tasks.running import JobLost, RunningJob


def subject_failed(job: Job, code: str, message: str) -> None:
    """Mark the video, lookup, model version, dataset or run of a job that did not succeed."""
    if job.subject_id is None:
        return
    if job.kind == JobKind.INGEST:
        video_mark_failed(video_id=job.subject_id, code=code, message=message)
    elif job.kind == JobKind.LOOKUP:
        lookup_mark_failed(lookup_id=job.subject_id, code=code, message=message)
    elif job.kind == JobKind.MODEL_INSTALL:
        ModelVersion.objects.filter(id=job.subject_id).exclude(state=ModelVersion.State.SERVING).update(
            state=ModelVersion.State.FAILED, failure=message
        )
    elif job.kind == JobKind.DATASET:
        dataset_mark_failed(dataset_id=job.subject_id, code=code, message=message)
    elif job.kind == JobKind.TRAIN:
        run_mark_failed(run_id=job.subject_id, code=code, message=message)
    elif job.kind == JobKind.CANDIDATE:
        candidate_mark_idle(run_id=job.subject_id)


def failed(job: RunningJob, code: str, message: str) -> None:
    """What ``run`` calls when a body failed: ``subject_failed``, unless another worker has the job by now."""
    with transaction.atomic():
        try:
            job.hold()
        except JobLost:
            return
        subject_failed(Job.objects.get(id=job.id), code, message)
