"""GET|POST /api/v1/search and GET /api/v1/videos/{id}/similar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.api.throttles import SearchLimit
from apps.core.exceptions import InvalidInput
from apps.search.answers import answer_as_dict
from apps.search.filters import filters_from, seconds_from
from apps.search.searching import DEFAULT_LIMIT, MAX_LIMIT, search_moments, search_similar

PAGE = [
    OpenApiParameter("limit", int, description=f"Videos on the page, 1 to {MAX_LIMIT}.", default=DEFAULT_LIMIT),
    OpenApiParameter("cursor", str, description="page.next_cursor of the previous page."),
]
FILTERS = [
    OpenApiParameter("min_duration", float, description="Seconds."),
    OpenApiParameter("max_duration", float, description="Seconds."),
    OpenApiParameter("since", OpenApiTypes.DATE, description="First day of registration."),
    OpenApiParameter("until", OpenApiTypes.DATE, description="Last day of registration."),
    OpenApiParameter("tag", str, many=True, description="A video has all of the tags."),
    OpenApiParameter("min_resolution", int, description="Pixels of the shorter side."),
    OpenApiParameter("source", str, enum=["upload", "import"]),
]


class SearchView(APIView):
    """Text to moments. ``-word`` excludes, ``"quoted text"`` matches titles, descriptions and subtitles only.

    ``warnings`` are texts for people. ``hints``: {text, query} of other ways to ask, such as ``cake -candles`` for
    "cake without candles".
    """

    throttle_classes = (SearchLimit,)

    @extend_schema(parameters=[OpenApiParameter("q", str), *PAGE, *FILTERS], responses=OpenApiTypes.OBJECT)
    def get(self, request: Request) -> Response:
        return self._answer(request, request.query_params)

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request) -> Response:
        if not isinstance(request.data, Mapping):
            raise InvalidInput('Send a JSON object, for example {"q": "a dog on the beach"}.')
        return self._answer(request, request.data)

    def _answer(self, request: Request, given: Mapping[str, Any]) -> Response:
        answer = search_moments(
            text=_text(given, "q"),
            limit=_limit(given),
            cursor=_text(given, "cursor") or None,
            filters=filters_from(given),
        )
        return Response(answer_as_dict(answer))


class SimilarView(APIView):
    """Moments like the one at ``t`` seconds of the video."""

    throttle_classes = (SearchLimit,)

    @extend_schema(
        parameters=[OpenApiParameter("t", float, description="Seconds.", default=0.0), *PAGE],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request, video_id: UUID) -> Response:
        given = request.query_params
        answer = search_similar(
            video_id=video_id,
            time_seconds=seconds_from(given, "t", example="12.5") or 0.0,
            limit=_limit(given),
            cursor=_text(given, "cursor") or None,
        )
        return Response(answer_as_dict(answer))


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name) or ""
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text.", field=name)
    return value


def _limit(given: Mapping[str, Any]) -> int:
    raw = given.get("limit")
    if raw is None or raw == "":
        return DEFAULT_LIMIT
    digits = str(raw)
    if isinstance(raw, bool) or not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise InvalidInput(f"limit must be a number from 1 to {MAX_LIMIT}.", field="limit")
    return int(digits)
