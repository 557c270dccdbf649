"""The periodic task. What must not wait for a worker is in vsearch.scheduler."""

from __future__ import annotations

from apps.accounts.tokens import tokens_purge
from apps.api.upload_results import become
from apps.core.limits import limits_purge
from apps.duplicates.lookups.files import lookups_expire
from apps.embeddings.folders import install_folders_purge
from apps.search.snapshots import snapshots_purge
from apps.search.vocabulary import vocabulary_keep
from apps.videos.presence import missing_check
from apps.videos.subtitle_files import subtitles_look
from apps.videos.uploads import uploads_expire, uploads_finish
from vsearch.celery import app


@app.task(name="worker.expire")
def expire() -> None:
    """Every hour: finish uploads that are whole; delete query files past their day, uploads that nobody finished,
    answers that nobody pages through; look for files that were missing, and for subtitle files that changed; read the
    words of new texts for suggestions."""
    lookups_expire()
    uploads_finish(become=become)
    uploads_expire()
    snapshots_purge()
    limits_purge()
    tokens_purge()
    install_folders_purge()
    missing_check()
    subtitles_look()
    vocabulary_keep()
