"""Guessing passwords is slow: failed logins are counted in the database, so all web processes share the count."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.utils import timezone

from apps.accounts.models import LoginFailure

WINDOW = timedelta(minutes=15)
FAILURES_HERE = 8  # of one name from one address
FAILURES_OF_NAME = 40  # of one name from anywhere: high, so that a stranger cannot easily lock somebody out
FAILURES_OF_ADDRESS = 80  # high, because people behind one proxy share an address


def seconds_to_wait(*, username: str, address: str) -> int:
    """0 when a login may be tried now. Three counts."""
    since = timezone.now() - WINDOW
    recent = LoginFailure.objects.filter(failed_at__gt=since)
    of_name = recent.filter(username_sha256=_hash(username))
    of_address = recent.filter(address=address)
    limits = (
        (of_name.filter(address=address), FAILURES_HERE),
        (of_name, FAILURES_OF_NAME),
        (of_address, FAILURES_OF_ADDRESS),
    )
    wait = 0
    for failures, limit in limits:
        # When the oldest of the last ``limit`` failures leaves the window, one more try is allowed.
        times = list(failures.order_by("-failed_at").values_list("failed_at", flat=True)[:limit])
        if len(times) == limit:
            wait = max(wait, int((times[-1] + WINDOW - timezone.now()).total_seconds()) + 1)
    return wait


def failure_note(*, username: str, address: str) -> None:
    LoginFailure.objects.filter(failed_at__lt=timezone.now() - WINDOW).delete()
    LoginFailure.objects.create(username_sha256=_hash(username), address=address[:64])


def failures_forget(*, username: str, address: str) -> None:
    """After a right password."""
    LoginFailure.objects.filter(username_sha256=_hash(username), address=address[:64]).delete()


def _hash(username: str) -> str:
    return hashlib.sha256(username.strip().casefold().encode(errors="replace")).hexdigest()
