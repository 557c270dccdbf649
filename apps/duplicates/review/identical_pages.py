"""Identical files of the whole library: the page, and the same as a table for programs that read CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.permissions import review_required
from apps.videos.identical import (
    IDENTICAL_COLUMNS,
    identical_all,
    identical_files,
    identical_list,
    identical_rows,
    identical_totals,
)

VIDEOS_A_PAGE = 20
READ_AS_FORMULAS = ("=", "+", "-", "@", "\t")


@review_required
@require_safe
def identical_page(request: HttpRequest) -> HttpResponse:
    """duplicates/identical.html with

    - page: a Django page of videos; found: an apps.videos.identical.Identical for each of them
    - totals: of all pages, as imports and visits of these pages saw the files last
    """
    page = Paginator(identical_list(), VIDEOS_A_PAGE).get_page(request.GET.get("page"))
    found = list(identical_files(list(page.object_list)).values())
    context = {"page": page, "found": found, "totals": identical_totals()}
    return render(request, "duplicates/identical.html", context)


@review_required
@require_safe
def identical_csv(request: HttpRequest) -> StreamingHttpResponse:
    """One line a file, with what is on disk now."""
    response = StreamingHttpResponse(_lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="identical-files.csv"'
    response["Cache-Control"] = "no-store"
    return response


class _Line:
    """What csv writes a line into; ``write`` gives it back."""

    def write(self, line: str) -> str:
        return line


def _lines() -> Iterator[str]:
    writer = csv.writer(_Line())
    yield "\ufeff" + writer.writerow(IDENTICAL_COLUMNS)  # the mark tells Excel that it is UTF-8
    for identical in identical_all():
        for row in identical_rows(identical):
            yield writer.writerow([_cell(row[name]) for name in IDENTICAL_COLUMNS])


def _cell(value: object) -> str:
    """Yes and no for people; an apostrophe before what a spreadsheet would run as a formula."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return f"'{text}" if text.startswith(READ_AS_FORMULAS) else text
