from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"
    label = "training"

    def ready(self) -> None:
        from apps.core.services import SubjectHooks, subject_hooks_register
        from apps.embeddings.model_versions import promotion_check_register, removal_check_register
        from apps.training.datasets.lifecycle import dataset_cancelled, dataset_retried
        from apps.training.promotion.decisions import promotion_check, removal_check
        from apps.training.runs.lifecycle import candidate_cancelled, candidate_retried, train_cancelled, train_retried
        from vsearch.jobs import JobKind

        subject_hooks_register(JobKind.DATASET, SubjectHooks(on_cancel=dataset_cancelled, on_retry=dataset_retried))
        subject_hooks_register(JobKind.TRAIN, SubjectHooks(on_cancel=train_cancelled, on_retry=train_retried))
        subject_hooks_register(
            JobKind.CANDIDATE, SubjectHooks(on_cancel=candidate_cancelled, on_retry=candidate_retried)
        )
        promotion_check_register(promotion_check)
        removal_check_register(removal_check)
