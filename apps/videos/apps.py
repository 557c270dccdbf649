from django.apps import AppConfig


class VideosConfig(AppConfig):
    name = "apps.videos"
    label = "videos"

    def ready(self) -> None:
        from apps.core.services import SubjectHooks, subject_hooks_register
        from apps.videos.ingest import ingest_cancelled, ingest_retried
        from vsearch.jobs import JobKind

        subject_hooks_register(
            JobKind.INGEST,
            SubjectHooks(on_cancel=ingest_cancelled, on_retry=ingest_retried),
        )
