"""The search page, and the page of moments like another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.permissions import look_required
from apps.accounts.throttling import limited
from apps.core.exceptions import NotFound, VSearchError
from apps.core.timespan import timecode
from apps.search.answers import Result, SearchAnswer
from apps.search.filters import LABELS, SearchFilters, filters_from, seconds_from, videos_passing
from apps.search.searching import DEFAULT_LIMIT, search_moments, search_similar
from apps.videos.models import Tag, Video
from apps.videos.selectors import thumbnail_url, video_get

NEWEST_SHOWN = 12
TAGS_OFFERED = 100
QUERY_CARRIED = 500  # characters of a query that links to videos carry along
EXAMPLES = ("a dog on the grass", "waves on a beach", "a person walking through a room", "something flying in the sky")
RESOLUTIONS = (480, 720, 1080, 2160)
PARAMETERS = {"tags": "tag"}  # filter -> parameter, where their names differ


@dataclass(frozen=True, slots=True)
class FilterChip:
    """A filter that is set; ``without_url`` is the same search without it."""

    words: str
    without_url: str


@require_safe
@look_required
@limited("search")
def home(request: HttpRequest) -> HttpResponse:
    """search/home.html, or search/_page.html (results and what follows them) when htmx loads more.

    - answer: SearchAnswer, or None when it failed; problem: why; asked: something was looked for
    - newest: videos to show while nothing is asked
    - suggestions: (text, address) of queries to try instead
    - hints: (why, query, address) of other ways to ask
    - strong, weak: the results above and below the line; more_url: the next page, or ""
    """
    text = request.GET.get("q", "")
    cursor = request.GET.get("cursor") or None
    answer: SearchAnswer | None = None
    filters, problem, status = SearchFilters(), "", 200
    try:
        filters = filters_from(request.GET)
        # Without words this costs no search: it says how much of the library can be found.
        answer = search_moments(text=text, limit=DEFAULT_LIMIT, cursor=cursor, filters=filters)
    except VSearchError as error:
        problem, status = error.message, error.status
    asked = bool(text.strip() or cursor)
    context = {
        **_results(request, answer, problem),
        "q": text,
        "filters": filters,
        "asked": asked,
        "chips": _chips(request.GET, filters),
        "no_filters_url": _address(request.path, _only(request.GET, ["q"])),
        "newest": [] if asked or problem else _newest(filters),
        "known_tags": Tag.objects.values_list("name", flat=True)[:TAGS_OFFERED],
        "examples": EXAMPLES,
        "sources": Video.Source.choices,
        "resolutions": sorted({*RESOLUTIONS, *filter(None, [filters.min_resolution])}),
    }
    if asked and answer is not None and not answer.results and answer.removed_by:
        context["removed_by"] = [(LABELS[name], count) for name, count in answer.removed_by.items() if count]
    return _render(request, "search/home.html", context, status)


@require_safe
@look_required
@limited("search")
def similar(request: HttpRequest) -> HttpResponse:
    """``?video=<id>&t=<seconds>``: search/similar.html, with the context of ``home`` for the results."""
    answer: SearchAnswer | None = None
    problem, status, seconds = "", 200, 0.0
    try:
        video = video_get(video_id=UUID(request.GET.get("video", "")))
    except (ValueError, NotFound) as error:
        raise Http404("There is no such video. It may have been deleted.") from error
    try:
        seconds = seconds_from(request.GET, "t", example="12.5") or 0.0
        cursor = request.GET.get("cursor") or None
        answer = search_similar(video_id=video.id, time_seconds=seconds, limit=DEFAULT_LIMIT, cursor=cursor)
    except VSearchError as error:
        problem, status = error.message, error.status
    context = {
        **_results(request, answer, problem),
        "video": video,
        "seconds": seconds,
        "picture": thumbnail_url(video, seconds, seconds),
        "asked": True,
    }
    return _render(request, "search/similar.html", context, status)


def _render(request: HttpRequest, page: str, context: dict[str, Any], status: int) -> HttpResponse:
    more = request.headers.get("HX-Target", "").startswith("more")
    response = render(request, "search/_page.html" if more else page, context, status=status)
    response["Vary"] = "HX-Target, Cookie"
    return response


def _results(request: HttpRequest, answer: SearchAnswer | None, problem: str) -> dict[str, Any]:
    strong, weak = _parted(answer.results) if answer else ((), ())
    below = request.GET.get("below") == "1"  # the line was drawn on a page before
    more_url = ""
    if answer and answer.next_cursor:
        query = request.GET.copy()
        query["cursor"] = answer.next_cursor
        if weak:
            query["below"] = "1"
        more_url = _address(request.path, query)
    return {
        "answer": answer,
        "suggestions": _suggested(request, answer.suggestions if answer else ()),
        "hints": _hints(request, answer) if answer else [],
        "problem": problem,
        "strong": strong,
        "weak": weak,
        "line_drawn": below and not strong,
        "more_url": more_url,
        "first_url": _address(request.path, _without(request.GET, "cursor", "below")),
        "carried": request.GET.get("q", "")[:QUERY_CARRIED],
        "continued": "cursor" in request.GET,
    }


def _suggested(request: HttpRequest, suggestions: tuple[str, ...]) -> list[tuple[str, str]]:
    """(text, address of the same search with it)."""
    return [(text, _instead(request, text)) for text in suggestions]


def _hints(request: HttpRequest, answer: SearchAnswer) -> list[tuple[str, str, str]]:
    """(why, query, address of the same search with that query)."""
    return [(hint.text, hint.query, _instead(request, hint.query)) for hint in answer.hints]


def _instead(request: HttpRequest, text: str) -> str:
    query = _without(request.GET, "cursor", "below")
    query["q"] = text
    return _address(request.path, query)


def _parted(results: tuple[Result, ...]) -> tuple[tuple[Result, ...], tuple[Result, ...]]:
    """The order stays: below the line are the last results, as far as all of them are weak."""
    last = max((place for place, result in enumerate(results, start=1) if not result.weak), default=0)
    return results[:last], results[last:]


def _newest(filters: SearchFilters) -> list[Video]:
    ready = Video.objects.filter(state=Video.State.READY)
    return list(videos_passing(filters, ready).distinct().order_by("-created_at", "-id")[:NEWEST_SHOWN])


def _chips(query: QueryDict, filters: SearchFilters) -> list[FilterChip]:
    words = {
        "min_duration": lambda value: f"at least {timecode(value)} long",
        "max_duration": lambda value: f"at most {timecode(value)} long",
        "since": lambda value: f"added since {value}",
        "until": lambda value: f"added until {value}",
        "min_resolution": lambda value: f"at least {value}p",
        "source": lambda value: str(Video.Source(value).label),
    }
    chips = []
    for name in filters.active:
        parameter = PARAMETERS.get(name, name)
        if name == "tags":
            for tag in filters.tags:
                rest = _without(query, "cursor", "below")
                rest.setlist(parameter, [other for other in filters.tags if other != tag])
                chips.append(FilterChip(f"tag {tag}", _address("", rest)))
        else:
            rest = _without(query, parameter, "cursor", "below")
            chips.append(FilterChip(words[name](getattr(filters, name)), _address("", rest)))
    return chips


def _without(query: QueryDict, *names: str) -> QueryDict:
    rest = query.copy()
    for name in names:
        rest.pop(name, None)
    return rest


def _only(query: QueryDict, names: list[str]) -> QueryDict:
    return _without(query, *(name for name in query if name not in names))


def _address(path: str, query: QueryDict) -> str:
    encoded = query.urlencode()
    path = path or reverse("search:home")
    return f"{path}?{encoded}" if encoded else path
