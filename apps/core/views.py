"""Health, metrics, the page of background work, and the page for what nobody expected."""

from __future__ import annotations

import sys
from datetime import datetime
from itertools import chain, islice

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views import defaults
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.core import selectors
from apps.core.addresses import client_address, is_local
from apps.core.disk_full import is_disk_full
from apps.core.health import readiness
from apps.core.jobs import library_kinds
from apps.core.middleware import OUTAGES, disk_full_response, outage_response
from apps.core.models import Job

JOBS_SHOWN = 200


@never_cache
@require_GET
def healthz(request: HttpRequest) -> HttpResponse:
    """This process is alive; says nothing about what it needs."""
    return JsonResponse({"status": "alive"})


@never_cache
@require_GET
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when everything that a search or an upload needs is there, else 503; the body names each part.

    Details hold versions, addresses and folders: they are for this machine and for administrators.
    """
    ready, parts = readiness()
    if not (is_local(client_address(request)) or _administers(request, parts)):
        parts = {name: {"ok": part["ok"]} for name, part in parts.items()}
    response = JsonResponse({"ready": ready, "parts": parts}, status=200 if ready else 503)
    response._has_been_logged = True  # type: ignore[attr-defined]  # an answer, not an error for the log
    return response


def _administers(request: HttpRequest, parts: dict[str, dict[str, object]]) -> bool:
    """Nobody while the database is away: it knows the people."""
    return bool(parts.get("database", {}).get("ok")) and request.user.has_perm("core.administer")


@never_cache
@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """For Prometheus. Counts only, but of the whole library: keep the path from the public at the proxy."""
    samples = chain.from_iterable(import_string(path)() for path in settings.METRICS)
    text: str = import_string(settings.METRICS_RENDERER)(samples)
    return HttpResponse(text, content_type="text/plain; version=0.0.4; charset=utf-8")


@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    return _jobs(request, "core/jobs.html")


@require_GET
def jobs_fragment(request: HttpRequest) -> HttpResponse:
    """The part of the page that htmx fetches while something is active: tiles, and sections of (name, jobs)."""
    return _jobs(request, "core/_jobs.html")


def _jobs(request: HttpRequest, template: str) -> HttpResponse:
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    administers = request.user.has_perm("core.administer")
    state = request.GET.get("state", "")
    state = state if state in Job.State.values else ""
    jobs = selectors.job_list(state=state)
    if not administers:  # what others look up is theirs, models are for administrators
        jobs = jobs.filter(kind__in=library_kinds())
    found = list(islice(jobs, JOBS_SHOWN))
    now = timezone.now()
    tiles = selectors.job_tiles()
    context = {
        "tiles": tiles,
        "sections": _sections(found, now),
        "state": state,
        "shown": JOBS_SHOWN if len(found) == JOBS_SHOWN else 0,
        "moving": tiles.active + tiles.waiting > 0,
        "now": now,
        "may_act": administers or request.user.has_perm("videos.upload_video"),
    }
    response = render(request, template, context)
    response["Cache-Control"] = "no-store"
    return response


def _sections(jobs: list[Job], now: datetime) -> list[tuple[str, list[Job]]]:
    """What needs a person, what runs, what waits, what has ended; empty ones are left out."""

    def section(job: Job) -> str:
        if job.state == Job.State.FAILED:
            return "Needs attention"
        if job.state == Job.State.RUNNING:
            return "Needs attention" if job.lease_until is not None and job.lease_until < now else "Active"
        return "Waiting" if job.state == Job.State.QUEUED else "Ended"

    names = ("Needs attention", "Active", "Waiting", "Ended")
    groups = [(name, [job for job in jobs if section(job) == name]) for name in names]
    return [(name, members) for name, members in groups if members]


def missing(request: HttpRequest, rest: str) -> HttpResponse:
    """For addresses of Django's that we do not use."""
    raise Http404("There is no such page.")


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: an outage that struck outside a view, in the session for example, is still an outage."""
    error = sys.exc_info()[1]
    if error is not None and is_disk_full(error):
        return disk_full_response(request)
    if isinstance(error, OUTAGES):
        return outage_response(request)
    return defaults.server_error(request)
