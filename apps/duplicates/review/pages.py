"""Pages of the review: the list of groups, and one group with its evidence and buttons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.people import signed_in
from apps.accounts.permissions import review_required
from apps.accounts.throttling import limited
from apps.core.exceptions import InvalidInput, NotFound, VSearchError
from apps.duplicates.groups.selectors import group_counts, group_get, group_kind_counts, group_list
from apps.duplicates.library.pages import scan_context
from apps.duplicates.models import DuplicateGroup
from apps.duplicates.review.decisions import NOTHING_DELETED
from apps.duplicates.review.evidence import Pair, group_evidence
from apps.duplicates.review.forms import review_apply
from apps.videos.identical import identical_totals
from apps.videos.presence import LOST, videos_check

GROUPS_A_PAGE = 20


@review_required
@require_safe
def review_page(request: HttpRequest) -> HttpResponse:
    """duplicates/groups.html with

    - page: a Django page of DuplicateGroup (kind, state, score, members.all, proposed_keeper, keeper)
    - state, kind: what is shown ("" is every kind)
    - states, kinds: (value, words, how many groups) to choose from
    - identical: apps.videos.identical.IdenticalTotals of the library
    - scan: the latest apps.duplicates.library.scans.Scan or None; may_scan: the button that starts one works
    """
    state = request.GET.get("state") or DuplicateGroup.State.OPEN
    kind = request.GET.get("kind", "")
    try:
        groups = group_list(state=state, kind=kind)
    except InvalidInput:
        return redirect("duplicates:review")
    page = Paginator(groups, GROUPS_A_PAGE).get_page(request.GET.get("page"))
    _look_for_suggestions(page)
    by_state, by_kind = group_counts(), group_kind_counts(state=state)
    context = {
        "page": page,
        "state": state,
        "kind": kind,
        "states": [(value, words, by_state[value]) for value, words in DuplicateGroup.State.choices],
        "kinds": [(value, words, by_kind.get(value, 0)) for value, words in DuplicateGroup.Kind.choices],
        "kinds_total": sum(by_kind.values()),
        "identical": identical_totals(),
        **scan_context(request),
    }
    return render(request, "duplicates/groups.html", context)


def _look_for_suggestions(page: Page[DuplicateGroup]) -> None:
    """What the list suggests to keep is there: where a file went, the proposals are made anew, and shown."""
    suggested = [group.proposed_keeper for group in page if group.proposed_keeper is not None]
    if LOST.intersection(videos_check(suggested).values()):
        for group in page:
            group.refresh_from_db(fields=["proposed_keeper", "keeper_reasons"])


@review_required
@require_http_methods(["GET", "HEAD", "POST"])
@limited("work", "POST")
def group_page(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """GET: duplicates/group.html with

    - evidence: apps.duplicates.review.evidence.Evidence (group, members, pairs with segments and timelines, reasons,
      history, undo_id)
    - pair: the one to compare now (``?pair=`` number, else the weakest), or None; pair_number
    - notice: that no file is deleted; next_group: the next one to review, or None; open_count

    POST: the buttons of apps.duplicates.review.forms (action=confirm|keep|dismiss|dismiss_pair|undo, every shown
    member as "member", and keeper, first and second, or decision), then back to the group, or to the list when it
    is no more.
    """
    if request.method == "POST":
        try:
            messages.success(request, review_apply(group_id=group_id, form=request.POST, reviewer=signed_in(request)))
        except VSearchError as error:
            messages.error(request, error.message)
        if not DuplicateGroup.objects.filter(id=group_id).exists():
            return redirect("duplicates:review")
        return redirect("duplicates:group", group_id)
    try:
        group = group_get(group_id=group_id)
    except NotFound as error:
        raise Http404(error.message) from error
    context = group_context(group)
    pairs = context["evidence"].pairs
    number = _pair_number(request.GET.get("pair", ""), pairs)
    context |= {"pair": pairs[number] if pairs else None, "pair_number": number}
    return render(request, "duplicates/group.html", context)


def group_context(group: DuplicateGroup) -> dict[str, Any]:
    """What the page of a group shows, here and in the admin."""
    waiting = group_list(state=DuplicateGroup.State.OPEN)
    return {
        "evidence": group_evidence(group),
        "notice": NOTHING_DELETED,
        "next_group": waiting.exclude(id=group.id).first(),
        "open_count": waiting.count(),
    }


def _pair_number(raw: str, pairs: Sequence[Pair]) -> int:
    if raw.isascii() and raw.isdigit() and len(raw) < 4 and int(raw) < len(pairs):
        return int(raw)
    return next((number for number, pair in enumerate(pairs) if pair.is_weakest), 0)
