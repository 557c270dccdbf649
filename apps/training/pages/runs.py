"""Pages of training runs: a new one with its cost, and one with its live curves."""

from __future__ import annotations

from pathlib import Path
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
from apps.training import selectors
from apps.training.models import Dataset, TrainingRun
from apps.training.runs.estimate import estimate_seconds
from apps.training.runs.lifecycle import run_create, run_delete, run_evaluate, run_resume, run_start, run_stop
from apps.training.runs.recipes import recipe_preset, recipe_presets

DATASETS_SHOWN = 50
PROBLEMS_SHOWN = 100
GPU_SIGNS = (Path("/dev/nvidia0"), Path("/proc/driver/nvidia/version"))
ACTIONS = {
    "start": run_start,
    "stop": run_stop,
    "resume": run_resume,
    "evaluate": run_evaluate,
}
SAID = {
    "start": "The run starts: its data is checked first.",
    "stop": "The run stops after the current step and keeps a checkpoint.",
    "resume": "The run continues from its last checkpoint.",
    "evaluate": "The candidate is indexed and evaluated.",
}
STEPS = (("checking", "Check"), ("embedding", "Embed"), ("training", "Train"), ("exporting", "Export"))


@train_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("training", "POST")
def run_new(request: HttpRequest) -> HttpResponse:
    """training/run_new.html; POST makes a draft, whose page shows the cost and starts it."""
    problem, status = "", 200
    given = request.POST if request.method == "POST" else request.GET
    if request.method == "POST":
        try:
            run = run_create(
                dataset_id=_id(given.get("dataset"), "dataset"),
                recipe=given.get("recipe", ""),
                base_id=_id(given["base"], "base") if given.get("base") else None,
                person=signed_in(request),
            )
        except VSearchError as error:
            problem, status = error.message, error.status
        else:
            return redirect("training:run", run.id)
    datasets = list(selectors.dataset_list().filter(state=Dataset.State.FROZEN)[:DATASETS_SHOWN])
    context = {
        "problem": problem,
        "datasets": datasets,
        "recipes": recipe_presets(),
        "bases": selectors.base_list(),
        "chosen": {name: given.get(name, "") for name in ("dataset", "recipe", "base")},
        "has_gpu": any(sign.exists() for sign in GPU_SIGNS),
        **_estimate(given, datasets),
    }
    return render(request, "training/run_new.html", context, status=status)


@train_required
@require_safe
def run_estimate(request: HttpRequest) -> HttpResponse:
    """The fragment with the cost of the choice in the query."""
    datasets = list(selectors.dataset_list().filter(state=Dataset.State.FROZEN)[:DATASETS_SHOWN])
    return render(request, "training/_estimate.html", _estimate(request.GET, datasets))


def _estimate(given: Any, datasets: list[Dataset]) -> dict[str, Any]:
    dataset = next((d for d in datasets if str(d.id) == given.get("dataset")), datasets[0] if datasets else None)
    try:
        recipe = recipe_preset(given["recipe"]) if given.get("recipe") else recipe_presets()[0]
    except (InvalidInput, IndexError):
        return {}
    if dataset is None:
        return {}
    counts = {name: dataset.counts.get(name, 0) for name in ("items", "captions")}
    return {"seconds": estimate_seconds(recipe, **counts), **counts, "recipe": recipe}


def _id(raw: str | None, field: str) -> UUID:
    try:
        return UUID(raw or "")
    except ValueError as error:
        raise InvalidInput("Choose one of the list.", field=field) from error


def _run(run_id: UUID) -> TrainingRun:
    try:
        return selectors.run_get(run_id=run_id)
    except NotFound as error:
        raise Http404(error.message) from error


def _run_context(run: TrainingRun) -> dict[str, Any]:
    points = selectors.run_curve(run)
    job = run.job
    evaluating = run.candidate_job if run.candidate_job is not None and run.candidate_job.active else None
    return {
        "run": run,
        "job": job,
        "steps": _steps(run),
        "charts": selectors.run_charts(points),
        "last": points[-1] if points else None,
        "points": len(points),
        "problems": run.problems[:PROBLEMS_SHOWN],
        "report": selectors.report_latest(run),
        "evaluating": evaluating,
        "stopping": run.active and job is not None and job.cancel_requested,
        "moving": run.active or evaluating is not None,
    }


def _steps(run: TrainingRun) -> list[tuple[str, str]]:
    """(words, done|now|later) of each stage."""
    names = [name for name, _ in STEPS]
    if run.state == TrainingRun.State.DONE:
        at = len(names)
    else:
        stage = run.job.stage if run.job is not None and run.state == TrainingRun.State.RUNNING else ""
        at = names.index(stage) if stage in names else len(names) if stage == "registering" else -1
    return [
        (words, "done" if place < at else "now" if place == at else "later") for place, (_, words) in enumerate(STEPS)
    ]


@train_required
@require_safe
def run_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """training/run.html, which includes training/_run.html; see ``_run_context``."""
    return render(request, "training/run.html", _run_context(_run(run_id)))


@train_required
@require_safe
def run_status(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The fragment that htmx fetches while something moves."""
    response = render(request, "training/_run.html", _run_context(_run(run_id)))
    response["Cache-Control"] = "no-store"
    return response


@train_required
@require_POST
@limited("training")
def run_act(request: HttpRequest, run_id: UUID, action: str) -> HttpResponse:
    """start, stop, resume, evaluate, delete."""
    try:
        if action == "delete":
            run_delete(run_id=run_id)
            messages.success(request, "The run was deleted. Its candidate is kept.")
            return redirect("training:index")
        if action not in ACTIONS:
            raise Http404("There is no such action.")
        person = {"person": signed_in(request)} if action == "start" else {}
        ACTIONS[action](run_id=run_id, **person)
    except VSearchError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, SAID[action])
    return redirect("training:run", run_id)
