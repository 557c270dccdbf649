from django.apps import AppConfig


class WorkerConfig(AppConfig):
    """Registers worker/management/commands with Django; has no models and imports nothing heavy."""

    name = "worker"
