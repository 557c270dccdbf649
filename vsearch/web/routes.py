"""Which threads answer an address, and how large a body it takes. Pure but for the settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum

from django.conf import settings

from apps.training.datasets.files import MAX_FILE_BYTES
from vsearch.web.limits import FORM_PACE, MIB, UPLOAD_PACE, Pace

SMALL_BODY = MIB  # every address where no file belongs
FORM_FIELDS = MIB  # beside a file


class Pool(Enum):
    """Name, threads, and whether they use the database (each then keeps a connection)."""

    HEALTH = ("health", 2, False)
    STATIC = ("static", 2, False)
    STATUS = ("status", 1, True)
    SEARCH = ("search", 3, True)
    MEDIA = ("media", 3, True)
    UPLOADS = ("uploads", 3, True)
    PAGES = ("pages", 5, True)

    @property
    def threads(self) -> int:
        return self.value[1]


class Body(StrEnum):
    SMALL = "small"
    FILE = "file"  # a form with a file: collected on disk, after its sender was let through
    PIECES = "pieces"  # a resumable upload: handed on while it comes


@dataclass(frozen=True)
class Route:
    pool: Pool
    body: Body = Body.SMALL
    largest_body: int = SMALL_BODY
    trains: bool = False  # the file is a dataset, else a video to look up

    @property
    def pace(self) -> Pace:
        return FORM_PACE if self.body == Body.SMALL else UPLOAD_PACE


_UUID = "[0-9a-f-]{36}"
_MEDIA = re.compile(
    rf"/videos/{_UUID}/(stream|poster\.jpg|thumbs/\d+\.jpg|storyboard\.vtt|sprite(-\d+)?\.jpg|subtitles\.vtt)"
    rf"|/find/{_UUID}/stream"
)
_UPLOADS = re.compile(rf"/api/v1/uploads(/{_UUID})?")
_LOOKUP_FORMS = frozenset({"/find", "/api/v1/lookups"})
_DATASET_FORMS = frozenset({"/training/datasets/new", "/api/v1/training-datasets"})
_SEARCHES = frozenset({"/", "/similar", "/api/v1/search"})
_TUS_BODY = "application/offset+octet-stream"


def route_of(method: str, path: str, content_type: str) -> Route:
    """``method``: what the request means, after X-HTTP-Method-Override."""
    if path == "/healthz":
        return Route(Pool.HEALTH)
    if path in {"/readyz", "/metrics"}:
        return Route(Pool.STATUS)
    if path.startswith(f"/{settings.STATIC_URL.lstrip('/')}"):
        return Route(Pool.STATIC)
    if path in _SEARCHES and method in {"GET", "HEAD"}:
        return Route(Pool.SEARCH)
    if _MEDIA.fullmatch(path):
        return Route(Pool.MEDIA)
    if _UPLOADS.fullmatch(path):
        if method in {"PATCH", "POST"} and content_type.partition(";")[0].strip().lower() == _TUS_BODY:
            return Route(Pool.UPLOADS, Body.PIECES)
        return Route(Pool.UPLOADS)
    if method == "POST" and path in _LOOKUP_FORMS:
        return Route(Pool.PAGES, Body.FILE, settings.MAX_UPLOAD_BYTES + FORM_FIELDS)
    if method == "POST" and path in _DATASET_FORMS:
        return Route(Pool.PAGES, Body.FILE, MAX_FILE_BYTES + FORM_FIELDS, trains=True)
    return Route(Pool.PAGES)
