"""What workers do: one module a kind of work, each task a function under ``@task(KIND)``."""

from worker.video_limits import follow_settings

follow_settings()
