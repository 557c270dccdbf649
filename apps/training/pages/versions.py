"""Pages of model versions: the card, the comparison with the active version, promote and roll back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import train_required
from apps.accounts.throttling import limited
from apps.core.exceptions import NotFound, VSearchError
from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.training import selectors
from apps.training.models import EvaluationReport
from apps.training.promotion.comparing import QUERY_LENGTH, compare_query
from apps.training.promotion.decisions import candidate_promote, version_roll_back

SUGGESTED = 6


def _version(version_id: UUID) -> ModelVersion:
    try:
        return selectors.version_get(version_id=version_id)
    except NotFound as error:
        raise Http404(error.message) from error


@train_required
@require_safe
def version_page(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """training/version.html: the card of the folder, figures, lineage, what is indexed, decisions."""
    version = _version(version_id)
    context = {"card": selectors.version_card(version), "version": version, "lineage": selectors.lineage(version)}
    return render(request, "training/version.html", context)


@train_required
@require_safe
@limited("search")
def compare_page(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """training/compare.html, or training/_answers.html for htmx: ``?q=`` is asked of both versions."""
    version = _version(version_id)
    if version.role != ModelVersion.Role.SEMANTIC:
        raise Http404("Only versions for text search are compared here.")
    serving = model_version_serving(ModelVersion.Role.SEMANTIC)
    text = request.GET.get("q", "").strip()[:QUERY_LENGTH]
    other = serving if serving != version else selectors.version_before(serving)
    answers = compare_query(text, version, other) if text else None
    if request.headers.get("HX-Target") == "answers":
        response = render(request, "training/_answers.html", {"answers": answers, "q": text})
        response["Vary"] = "HX-Target, Cookie"
        return response
    card = selectors.version_card(version)
    examples = card.report.examples if card.report is not None else []
    context = {
        "card": card,
        "version": version,
        "other": other,
        "serving": serving,
        "q": text,
        "answers": answers,
        "report": card.report,
        # What the report does not say itself: that it is out of date, or missing.
        "stale": [words for words in card.refusals if card.report is None or words not in _words_of(card.report)],
        "metrics": selectors.metric_rows(card.report) if card.report is not None else [],
        "suggested": list(dict.fromkeys(example["query"] for example in examples))[:SUGGESTED],
    }
    response = render(request, "training/compare.html", context)
    response["Vary"] = "HX-Target, Cookie"
    return response


def _words_of(report: EvaluationReport) -> set[str]:
    return {reason["text"] for reason in report.verdict.get("reasons", [])}


@train_required
@require_POST
@limited("training")
def promote(request: HttpRequest, version_id: UUID) -> HttpResponse:
    try:
        done = candidate_promote(
            version_id=version_id, person=signed_in(request), override=request.POST.get("override", "")
        )
    except VSearchError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done.words)
    return redirect("training:compare", version_id)


@train_required
@require_POST
@limited("training")
def roll_back(request: HttpRequest, version_id: UUID) -> HttpResponse:
    try:
        done = version_roll_back(version_id=version_id, person=signed_in(request), note=request.POST.get("note", ""))
    except VSearchError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, done.words)
    return redirect("training:version", version_id)
