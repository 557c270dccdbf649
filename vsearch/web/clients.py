"""Who a request counts for: its address, and the login or token that it shows. Neither is believed here: a made-up
login only adds a count, the address always counts."""

from __future__ import annotations

import hashlib
from http.cookies import CookieError, SimpleCookie

from django.conf import settings

from apps.core.addresses import address_behind, address_group


def clients_of(peer: str, headers: dict[str, str]) -> list[str]:
    """Keys of the counts. ``peer``: the address that has connected; ``headers`` by lower-case name."""
    keys = [f"address {address_group(address_behind(peer, headers.get('x-forwarded-for', '')))}"]
    shown = headers.get("authorization") or _session(headers.get("cookie", ""))
    if shown:
        keys.append("login " + hashlib.sha256(shown.encode(errors="replace")).hexdigest())
    return keys


def _session(cookie: str) -> str:
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return found.value if found is not None else ""
