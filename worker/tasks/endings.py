"""How the subject of a job learns that the job failed or was cancelled."""

from __future__ import annotations

from apps.core.models import Job
from apps.duplicates.models import Lookup
from apps.embeddings.models import ModelVersion
from apps.training.services import candidate_mark_idle, dataset_mark_failed, run_mark_failed
from apps.videos.indexing import video_mark_failed
from vsearch.jobs import JobKind


def subject_failed(job: Job, code: str, message: str) -> None:
    """Mark the video, lookup, model version, dataset or run of a job that ended without its worker."""
    if job.subject_id is None:
        return
    if job.kind == JobKind.INGEST:
        video_mark_failed(video_id=job.subject_id, code=code, message=message)
    elif job.kind == JobKind.LOOKUP:
        Lookup.objects.filter(id=job.subject_id).update(state=Lookup.State.FAILED, failure_code=code, failure=message)
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
