from django.apps import AppConfig


class DuplicatesConfig(AppConfig):
    name = "apps.duplicates"
    label = "duplicates"

    def ready(self) -> None:
        from apps.core.services import SubjectHooks, subject_hooks_register
        from apps.duplicates.lookups.states import lookup_cancelled, lookup_retried
        from vsearch.jobs import JobKind

        subject_hooks_register(JobKind.LOOKUP, SubjectHooks(on_cancel=lookup_cancelled, on_retry=lookup_retried))
