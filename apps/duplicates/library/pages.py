"""Pages about the whole library: its scan, and the exploratory clusters."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import administer_required, may_administer, review_required
from apps.accounts.throttling import limited
from apps.core.exceptions import NotFound, VSearchError
from apps.duplicates.library.clusters import (
    METHODS,
    METRICS,
    SHOWN_CLUSTERS,
    ClusterParameters,
    cluster_job,
    cluster_run_create,
    cluster_run_get,
    cluster_run_list,
    parameters_from,
    shown_clusters,
)
from apps.duplicates.library.scans import scan_latest, scan_start

RUNS_SHOWN = 10


def scan_context(request: HttpRequest) -> dict[str, Any]:
    """For duplicates/_scan.html: scan (the latest, or None) and may_scan (the button works)."""
    return {"scan": scan_latest(), "may_scan": may_administer(signed_in(request))}


@administer_required
@require_POST
@limited("work")
def scan(request: HttpRequest) -> HttpResponse:
    _, new = scan_start(title="requested on the duplicates page")
    if not new:
        messages.info(request, "The library is being scanned already.")
    return redirect("duplicates:review")


@review_required
@require_safe
def scan_status(request: HttpRequest) -> HttpResponse:
    """The fragment that htmx asks for while a scan runs."""
    response = render(request, "duplicates/_scan.html", scan_context(request))
    response["Cache-Control"] = "no-store"
    return response


@administer_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("work", "POST")
def clusters_page(request: HttpRequest) -> HttpResponse:
    """GET: duplicates/clusters.html with the form (values), methods, metrics and the latest runs. POST starts one."""
    values: Any = ClusterParameters()
    error, status = "", 200
    if request.method == "POST":
        try:
            run = cluster_run_create(parameters=parameters_from(request.POST), owner=signed_in(request))
            return redirect("duplicates:cluster_run", run.id)
        except VSearchError as problem:
            error, status, values = problem.message, problem.status, request.POST
    context = {
        "values": values,
        "error": error,
        "methods": METHODS.items(),
        "metrics": METRICS.items(),
        "runs": [(run, parameters_from(run.parameters).words) for run in cluster_run_list()[:RUNS_SHOWN]],
    }
    return render(request, "duplicates/clusters.html", context, status=status)


@administer_required
@require_safe
def cluster_run_page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """duplicates/cluster_run.html: run, words (its parameters), job while it works, clusters, how many are hidden."""
    try:
        run = cluster_run_get(run_id=run_id)
    except NotFound as error:
        raise Http404(error.message) from error
    found = len((run.result or {}).get("clusters", []))
    context = {
        "run": run,
        "words": parameters_from(run.parameters).words,
        "job": cluster_job(run) if run.result is None else None,
        "clusters": shown_clusters(run),
        "found": found,
        "hidden": max(found - SHOWN_CLUSTERS, 0),
    }
    fragment = getattr(request, "htmx", False)
    response = render(request, "duplicates/_cluster_run.html" if fragment else "duplicates/cluster_run.html", context)
    if fragment:
        response["Cache-Control"] = "no-store"
    return response
