from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "apps.training"
    label = "training"

    def ready(self) -> None:
        from apps.embeddings.model_versions import promotion_check_register, removal_check_register
        from apps.training.promotion.decisions import promotion_check, removal_check

        promotion_check_register(promotion_check)
        removal_check_register(removal_check)
