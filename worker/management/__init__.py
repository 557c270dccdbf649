"""Commands that compute. Loaded with the first of them, so never by the web."""

from worker.video_limits import follow_settings

follow_settings()
