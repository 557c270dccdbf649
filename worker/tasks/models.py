"""Installing a model version: fetch, export the text tower, index the library beside the serving one, switch.

The library is indexed in slices, so that new videos and other work on the same queue get their turn; every slice
continues where the last one ended, because what is left is read from the database.
"""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.embeddings.models import ModelVersion
from apps.embeddings.services import model_version_promote
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import Video
from vsearch.celery import app
from vsearch.jobs import JobKind, enqueue
from worker.embedders.base import EmbedderError
from worker.embedders.download import fetch_model
from worker.embedders.export import export_text_tower
from worker.embedders.registry import load_semantic
from worker.indexing import index_video
from worker.media.errors import MediaError
from worker.tasks.endings import subject_failed
from worker.tasks.running import JobContinues, JobFailed, RunningJob, run
from worker.tasks.vectors import copy_embedder, semantic_embedder, store_clips, store_frames

SLICE_SECONDS = 60.0
FETCH_SHARE, EXPORT_SHARE = 0.3, 0.4  # of a job's progress; indexing takes the rest


def _fetch(job: RunningJob, version: ModelVersion) -> None:
    """Weights, spec and ONNX text tower; the version is then BUILDING. Does nothing when that is done already."""
    if version.weights_sha256:
        return
    folder = Path(settings.MODELS_DIR) / str(version.id)

    def on_progress(fraction: float) -> None:
        job.progress("downloading", FETCH_SHARE * fraction)

    try:
        revision = fetch_model(version.name, folder, on_progress=on_progress)
        job.progress("exporting", FETCH_SHARE)
        embedder = load_semantic(folder, version.name, revision)
        figures = export_text_tower(embedder, folder)
        load_semantic.cache_clear()  # the export moved the model to the CPU
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error
    spec = embedder.spec
    try:
        with transaction.atomic():
            job.hold()
            ModelVersion.objects.filter(id=version.id).update(
                revision=revision,
                dim=spec.dim,
                image_side=spec.image_side,
                preprocessing_hash=spec.preprocessing_hash,
                weights_sha256=spec.weights_sha256,
                folder=str(folder),
                details={"export": figures},
                state=ModelVersion.State.BUILDING,
                failure="",
            )
    except IntegrityError as error:
        raise JobFailed(
            "installed_already", "These very weights are installed already; see `manage.py model list`."
        ) from error
    version.refresh_from_db()
    PgVectorIndex().ensure_index("clip", version.id, version.dim)


def _waiting(version: ModelVersion) -> list[UUID]:
    """Ready videos without vectors of this version, oldest first."""
    kind = version.role == ModelVersion.Role.SEMANTIC
    table = "clipembedding" if kind else "frameembedding"
    return list(
        Video.objects.filter(state=Video.State.READY)
        .exclude(**{f"{table}__model_version_id": version.id})
        .exclude(id__in=version.details.get("unreadable", {}))
        .order_by("created_at")
        .values_list("id", flat=True)
    )


def _index_one(job: RunningJob, version: ModelVersion, video: Video) -> None:
    index = PgVectorIndex()
    semantic = version.role == ModelVersion.Role.SEMANTIC
    try:
        result = index_video(
            video.path,
            semantic=semantic_embedder(version) if semantic else None,
            copy=None if semantic else copy_embedder(version),
            folder=None,
            cancelled=job.stopped,
        )
    except MediaError as error:
        job.check()
        # A file that vanished since it was indexed must not block the switch; it is listed in the version's card.
        version.details.setdefault("unreadable", {})[str(video.id)] = error.message
        version.save(update_fields=["details", "updated_at"])
        return
    with transaction.atomic():
        job.hold()
        if semantic:
            store_clips(index, video, version, result)
        else:
            store_frames(index, video, version, result)


def _index_library(job: RunningJob, version: ModelVersion) -> None:
    """One slice; JobContinues when videos are left."""
    total = max(Video.objects.filter(state=Video.State.READY).count(), 1)
    started = time.monotonic()
    waiting = _waiting(version)
    for done, video_id in enumerate(waiting):
        if time.monotonic() - started > SLICE_SECONDS:
            raise JobContinues(str(job.id))
        left = len(waiting) - done
        job.progress("indexing", EXPORT_SHARE + (0.99 - EXPORT_SHARE) * (1 - left / total))
        video = Video.objects.filter(id=video_id, state=Video.State.READY).first()
        if video is not None:
            _index_one(job, version, video)


def _promote(job: RunningJob, version: ModelVersion) -> None:
    """Switch when no ready video is left out; videos that came in the meantime get one more round."""
    _index_library(job, version)
    with transaction.atomic():
        job.hold()
        # Ingests lock the serving row while they write: from here on none can finish with the old version.
        list(ModelVersion.objects.select_for_update().filter(role=version.role).order_by("id"))
        if _waiting(version):
            raise JobContinues(str(job.id))
        ModelVersion.objects.filter(id=version.id).update(state=ModelVersion.State.READY)
        model_version_promote(version_id=version.id)
        if version.role == ModelVersion.Role.COPY:
            enqueue(kind=JobKind.SCAN, title="new copy descriptor")


def _install(job: RunningJob) -> None:
    version = ModelVersion.objects.get(id=job.subject)
    if version.state == ModelVersion.State.SERVING:
        return
    _fetch(job, version)
    try:
        _index_library(job, version)
        _promote(job, version)
    except EmbedderError as error:
        raise JobFailed("model", str(error)) from error


def _failed(job: RunningJob, code: str, message: str) -> None:
    from apps.core.models import Job

    subject_failed(Job.objects.get(id=job.id), code, message)


def run_install(job_id: str) -> None:
    """The task's body; `manage.py model install` calls it in its own process."""
    run(job_id, _install, on_failure=_failed)


@app.task(name="worker.model_install")
def model_install(job_id: str) -> None:
    run_install(job_id)
