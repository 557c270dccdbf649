"""Pages of lists: {"results": [...], "page": {"next_cursor": "..." or null}}; ``cursor`` and ``limit`` ask for one."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.exceptions import InvalidInput


class Pages(CursorPagination):
    """Cursors hold the place in the order, so rows that appear meanwhile shift nothing."""

    page_size = 50
    max_page_size = 500
    page_size_query_param = "limit"
    cursor_query_param = "cursor"
    invalid_cursor_message = "The cursor is not valid. Start from the first page."

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, ...]:
        return tuple(str(name) for name in queryset.query.order_by)

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any] | None:
        if self.cursor_query_param not in request.query_params:
            return super().paginate_queryset(queryset, request, view)
        try:
            with transaction.atomic():  # what the database refuses must not end a transaction around this
                return super().paginate_queryset(queryset, request, view)
        except (NotFound, ValidationError, ValueError, DataError) as error:
            # Also when the place that it names is no value of the column that is ordered by.
            raise InvalidInput(self.invalid_cursor_message, field="cursor") from error

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"results": data, "page": {"next_cursor": self._next_cursor()}})

    def _next_cursor(self) -> str | None:
        link = self.get_next_link()
        return parse_qs(urlsplit(link).query)["cursor"][0] if link else None

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        cursor = {"type": "string", "nullable": True}
        page = {"type": "object", "properties": {"next_cursor": cursor}}
        return {"type": "object", "properties": {"results": schema, "page": page}}
