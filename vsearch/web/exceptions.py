"""Why a request ends before its answer."""

from __future__ import annotations


class Refused(Exception):
    """``detail`` is shown to people. ``retry_seconds``: when it makes sense to ask again, None when it does not."""

    def __init__(self, status: int, detail: str, *, retry_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_seconds = status, detail, retry_seconds


class Gone(Exception):
    """The client is away; nobody reads an answer."""
