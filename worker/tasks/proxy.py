"""A copy that browsers can play, for files that they cannot."""

from __future__ import annotations

from pathlib import Path

from apps.videos.ingest import video_mark_proxied
from apps.videos.models import Video
from vsearch.celery import app
from worker.media.decode.probe import probe
from worker.media.derived.proxy import make_proxy
from worker.media.errors import MediaError
from worker.tasks.running import JobFailed, RunningJob, run


def _make(job: RunningJob) -> None:
    video = Video.objects.get(id=job.subject)
    try:
        facts = probe(video.path)
        make_proxy(
            Path(video.path),
            video.folder / "proxy.mp4",
            facts=facts,
            progress=lambda fraction: job.progress("converting", min(fraction, 0.99)),
            cancelled=job.stopped,
        )
    except MediaError as error:
        job.check()
        raise JobFailed(error.code, error.message) from error
    video_mark_proxied(video_id=video.id)


@app.task(name="worker.proxy")
def proxy(job_id: str) -> None:
    """A failure leaves the video searchable; only playing in the browser is missing."""
    run(job_id, _make)
