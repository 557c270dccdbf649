"""Pages of datasets: a new one, and one with its progress and problems."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import train_required
from apps.accounts.throttling import limited
from apps.core.exceptions import InvalidInput, NotFound, VSearchError
from apps.search.models import Feedback
from apps.training import selectors
from apps.training.datasets.captions import LIBRARY_TEXTS
from apps.training.datasets.lifecycle import (
    dataset_delete,
    dataset_from_feedback,
    dataset_from_file,
    dataset_from_library,
    dataset_guard_set,
)
from apps.training.models import Dataset
from apps.videos.models import TextSegment, Video

PROBLEMS_SHOWN = 100
RUNS_SHOWN = 50


@train_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("training", "POST")
def dataset_new(request: HttpRequest) -> HttpResponse:
    """training/dataset_new.html; POST makes the dataset and goes to its page."""
    problem, status = "", 200
    if request.method == "POST":
        try:
            return redirect("training:dataset", _dataset_made(request).id)
        except VSearchError as error:
            problem, status = error.message, error.status
    ready = Video.objects.filter(state=Video.State.READY)
    texts = TextSegment.objects.filter(video__state=Video.State.READY)
    context = {
        "problem": problem,
        "chosen": request.POST.get("source", "library"),
        "name": request.POST.get("name", ""),
        "texts": [(text.value, text.label, texts.filter(source=text).count()) for text in LIBRARY_TEXTS],
        "texts_chosen": request.POST.getlist("texts") or ["title", "description"],
        "videos": ready.count(),
        "feedback": Feedback.objects.count(),
    }
    return render(request, "training/dataset_new.html", context, status=status)


def _dataset_made(request: HttpRequest) -> Dataset:
    source, name = request.POST.get("source", ""), request.POST.get("name", "")
    who: dict[str, Any] = {"owner": signed_in(request), "guards": request.POST.get("guards") == "on"}
    if source == "library":
        return dataset_from_library(name=name, texts=request.POST.getlist("texts"), **who)
    if source == "feedback":
        return dataset_from_feedback(name=name, **who)
    if source != "file":
        raise InvalidInput("Choose where the captions come from.", field="source")
    file = request.FILES.get("file")
    if file is None or file.file is None:
        raise InvalidInput("Choose a manifest (.jsonl) or a table (.csv).", field="file")
    return dataset_from_file(name=name, file=file.file, file_name=file.name or "manifest.jsonl", **who)


def _dataset(dataset_id: UUID) -> Dataset:
    try:
        return selectors.dataset_get(dataset_id=dataset_id)
    except NotFound as error:
        raise Http404(error.message) from error


def _dataset_context(dataset: Dataset) -> dict[str, Any]:
    return {
        "dataset": dataset,
        "problems": dataset.problems[:PROBLEMS_SHOWN],
        "problem_count": dataset.counts.get("problems", len(dataset.problems)),
        "runs": selectors.run_list().filter(dataset=dataset)[:RUNS_SHOWN],
        "moving": dataset.state == Dataset.State.WAITING,
    }


@train_required
@require_safe
def dataset_page(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    return render(request, "training/dataset.html", _dataset_context(_dataset(dataset_id)))


@train_required
@require_safe
def dataset_status(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    response = render(request, "training/_dataset.html", _dataset_context(_dataset(dataset_id)))
    response["Cache-Control"] = "no-store"
    return response


@train_required
@require_POST
@limited("training")
def dataset_guard(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    guards = request.POST.get("guards") == "yes"
    try:
        dataset_guard_set(dataset_id=dataset_id, guards=guards)
    except VSearchError as error:
        messages.error(request, error.message)
    else:
        messages.success(
            request,
            "Every candidate is measured on it from now on." if guards else "It is no longer used as a guard set.",
        )
    return redirect("training:dataset", dataset_id)


@train_required
@require_POST
@limited("training")
def dataset_remove(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    try:
        dataset_delete(dataset_id=dataset_id)
    except VSearchError as error:
        messages.error(request, error.message)
        return redirect("training:dataset", dataset_id)
    messages.success(request, "The dataset was deleted.")
    return redirect("training:index")
