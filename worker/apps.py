from django.apps import AppConfig
from django.conf import settings

from worker.media.sandbox.limits import allow, limits_for


class WorkerConfig(AppConfig):
    """Registers worker/management/commands with Django; has no models and imports nothing heavy."""

    name = "worker"

    def ready(self) -> None:
        allow(limits_for(**settings.VIDEO_LIMITS))
