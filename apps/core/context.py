"""Template context that every page needs."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    """Costs no query. ``may_look``: the visitor may search and look up."""
    return {"may_look": settings.PUBLIC_SEARCH or request.user.is_authenticated}
