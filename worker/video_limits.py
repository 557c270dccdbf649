"""What a video may be and hold, as the settings say: for every process that reads videos, which the web never does."""

from __future__ import annotations

from django.conf import settings

from worker.media.sandbox.limits import allow, limits_for


def follow_settings() -> None:
    """Call it once, before the first video."""
    allow(limits_for(**settings.VIDEO_LIMITS))
