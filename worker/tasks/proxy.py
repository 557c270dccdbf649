"""A copy that browsers can play, for files that they cannot."""

from __future__ import annotations

from apps.videos.ingest import video_mark_proxied
from apps.videos.job_kinds import PROXY
from apps.videos.models import Video
from apps.videos.presence import Place, video_check
from worker.media.decode.probe import probe
from worker.media.derived.proxy import make_proxy
from worker.media.errors import MediaError
from worker.tasks.running import JobFailed, RunningJob, task


@task(PROXY)
def proxy(job: RunningJob) -> None:
    """A failure leaves the video searchable; only playing in the browser is missing."""
    video = Video.objects.get(id=job.subject)
    place = video_check(video)
    if place != Place.HERE:
        raise JobFailed("missing", place.words)
    try:
        facts = probe(video.file)
        make_proxy(
            video.file,
            video.folder / "proxy.mp4",
            facts=facts,
            progress=lambda fraction: job.progress("converting", min(fraction, 0.99)),
            cancelled=job.stopped,
        )
    except MediaError as error:
        job.check()
        raise JobFailed(error.code, error.message) from error
    video_mark_proxied(video_id=video.id)
