"""The first page of training: runs, datasets and model versions."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.permissions import train_required
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training import selectors
from apps.training.models import Dataset, TrainingRun

SHOWN = 50


@train_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """training/index.html: runs, datasets and model versions, newest first; serving, before (to roll back to)."""
    serving = model_version_serving(ModelVersion.Role.SEMANTIC)
    context = {
        "runs": selectors.run_list()[:SHOWN],
        "datasets": selectors.dataset_list()[:SHOWN],
        "versions": selectors.version_list().filter(role=ModelVersion.Role.SEMANTIC)[:SHOWN],
        "serving": serving,
        "before": selectors.version_before(serving),
        "moving": TrainingRun.objects.filter(state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING]).exists()
        or Dataset.objects.filter(state=Dataset.State.WAITING).exists(),
    }
    return render(request, "training/index.html", context)
