"""Writers of matches, groups and decisions take turns: each works on what the one before it left."""

from __future__ import annotations

from django.db import connection

MATCHES = 0x7653_0001
GROUPS = 0x7653_0002
SCANS = 0x7653_0003


def take_turns(lock: int) -> None:
    """Wait for the lock; it is given back when the surrounding transaction ends. Order: MATCHES before GROUPS."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
