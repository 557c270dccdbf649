"""From a file to a searchable video: one decode, both embedders, one transaction.

probing -> decoding and embedding (overlapped: the decoder is a child process) -> writing -> ready. Until the last
transaction nothing of the video can be found; after a crash the next attempt starts over and replaces
everything, so a video becomes ready exactly once.
"""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction

from apps.core.jobs import enqueue
from apps.duplicates.job_kinds import MATCH
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.ingest import video_mark_probed, video_mark_ready, video_store_index
from apps.videos.job_kinds import INGEST, PROXY
from apps.videos.models import Video
from apps.videos.presence import WHOLE, Place, video_check
from apps.videos.subtitle_files import beside, subtitle_files_store
from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.indexing.notes import notes_on
from worker.indexing.video import Indexed, index_video
from worker.library.vectors import copy_embedder, semantic_embedder, store_clips, store_fingerprint
from worker.media.derived.subtitles import extract_subtitles
from worker.media.disk_space import ensure_space
from worker.media.errors import MediaError
from worker.media.playback import needs_proxy
from worker.media.sandbox.limits import allowed
from worker.tasks.running import JobContinues, JobFailed, RunningJob, model_failed, task
from worker.tasks.subtitles import read_files, with_languages
from worker.types import ProbeFacts

DECODE_SHARE = 0.95  # of a job's progress; the rest is subtitles and writing
SPACE_FOR_DERIVED = 64 * 1024**2


def _index(job: RunningJob, video: Video, semantic: Embedder, copy: CopyDescriptor) -> Indexed:
    video.folder.mkdir(parents=True, exist_ok=True)
    ensure_space(video.folder, SPACE_FOR_DERIVED)

    def on_facts(facts: ProbeFacts) -> None:
        video_mark_probed(video_id=video.id, facts=asdict(facts), needs_proxy=needs_proxy(facts))

    result = index_video(
        video.file,
        semantic=semantic,
        copy=copy,
        folder=video.folder,
        on_facts=on_facts,
        on_progress=lambda fraction: job.progress("indexing", DECODE_SHARE * fraction),
        cancelled=job.stopped,
    )
    job.progress("reading subtitles", DECODE_SHARE)
    result.cues = with_languages(extract_subtitles(video.file, result.facts, cancelled=job.stopped))
    return result


def _file_check(video: Video) -> None:
    """Fail unless the file still has the content that the video is known by: what is indexed must be what it shows."""
    place = video_check(video, read_up_to=WHOLE)
    if place == Place.REPLACED:
        raise JobFailed("replaced", "The file was replaced by another one before it was indexed. Import it again.")
    if place != Place.HERE:
        raise JobFailed("missing", place.words)


def _write(job: RunningJob, video: Video, semantic: ModelVersion, copy: ModelVersion, result: Indexed) -> None:
    index = PgVectorIndex()
    subtitle_files = read_files(beside(video) or [], stopped=job.check)
    with transaction.atomic():
        job.hold()
        # A switch of models waits for this lock, so no video is written with a version that is no longer active.
        used = ModelVersion.objects.select_for_update().filter(id__in=[semantic.id, copy.id])
        if any(version.state != ModelVersion.State.SERVING for version in used):
            raise JobContinues(str(job.id))
        video_store_index(
            video_id=video.id,
            duration_seconds=result.duration,
            shots=[(s.start, s.end, s.key_time) for s in result.shots],
            subtitles=[(c.start, c.end, c.text, c.language, c.track) for c in result.cues],
        )
        subtitle_files_store(video_id=video.id, files=subtitle_files)
        store_clips(index, video, semantic, result)
        if result.fingerprint is not None:
            store_fingerprint(index, video, copy, result.fingerprint)
        notes = notes_on(result.facts, result.holes, subtitle_tracks=allowed().subtitle_tracks)
        video_mark_ready(video_id=video.id, notes=notes)
        enqueue(kind=MATCH, subject_id=video.id, title=video.title)
        if needs_proxy(result.facts):
            enqueue(kind=PROXY, subject_id=video.id, title=video.title)


@task(INGEST)
def ingest(job: RunningJob) -> None:
    video = Video.objects.filter(id=job.subject).first()
    if video is None or video.state == Video.State.READY:
        return  # deleted meanwhile, or a second message for work that is done
    semantic, copy = model_version_serving("semantic"), model_version_serving("copy")
    if semantic is None or copy is None:
        raise JobFailed("model", "No model is ready yet. Run `manage.py prepare`, then retry this video.")
    _file_check(video)
    job.progress("probing", 0.0)
    try:
        result = _index(job, video, semantic_embedder(semantic), copy_embedder(copy))
    except MediaError as error:
        job.check()  # a cancel or a shutdown also ends the decoder
        raise JobFailed(error.code, error.message) from error
    except EmbedderError as error:
        raise model_failed(error) from error
    job.progress("writing", 0.98)
    video.refresh_from_db()
    _file_check(video)
    _write(job, video, semantic, copy, result)
