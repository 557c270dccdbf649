"""Reading model versions."""

from __future__ import annotations

from apps.embeddings.models import ModelVersion


def model_version_serving(role: str) -> ModelVersion | None:
    """The version that answers now in ``role`` ("semantic" or "copy"), or None while none does."""
    return ModelVersion.objects.filter(role=role, state=ModelVersion.State.SERVING).first()
