from django.apps import AppConfig


class EmbeddingsConfig(AppConfig):
    name = "apps.embeddings"
    label = "embeddings"

    def ready(self) -> None:
        from apps.core.services import SubjectHooks, subject_hooks_register
        from apps.embeddings.model_versions import install_cancelled, install_retried
        from vsearch.jobs import JobKind

        hooks = SubjectHooks(on_cancel=install_cancelled, on_retry=install_retried)
        subject_hooks_register(JobKind.MODEL_INSTALL, hooks)
