"""How often somebody may do something: one count for all web processes, in the database.

The rule is a bucket that refills evenly (GCRA): of "8/15min" eight can be had at once, then one every 112 seconds. A
row holds only when the bucket is full again, so that one statement both asks and takes: however many requests come at
the same moment, no more than the limit pass. The clock is that of the database. See docs/adr/0026.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from math import ceil

from django.conf import settings
from django.db import connection

from apps.core.disk_full import unless_disk_full
from apps.core.exceptions import TooMany
from apps.core.models import Allowance

log = logging.getLogger(__name__)

# What only reads goes on uncounted while the disk is full. The others write anyway, and guesses must not become free.
_READING = frozenset({"search", "api"})

# A stored time further away than a window comes from a clock that was set back; it counts as one window.
_TAKE = """
INSERT INTO core_allowance AS a (key, full_at)
VALUES (%(key)s, statement_timestamp() + make_interval(secs => %(step)s))
ON CONFLICT (key) DO UPDATE
SET full_at = GREATEST(LEAST(a.full_at, statement_timestamp() + make_interval(secs => %(window)s)),
                       statement_timestamp()) + make_interval(secs => %(step)s)
WHERE a.full_at <= statement_timestamp() + make_interval(secs => %(window)s - %(step)s + 0.001)
RETURNING 1
"""
_WAIT = """
SELECT extract(epoch FROM LEAST(full_at, statement_timestamp() + make_interval(secs => %(window)s))
                          - statement_timestamp()) - %(window)s + %(step)s
FROM core_allowance WHERE key = %(key)s
"""
_GIVE_BACK = "UPDATE core_allowance SET full_at = full_at - make_interval(secs => %(step)s) WHERE key = %(key)s"
_FORGET = "DELETE FROM core_allowance WHERE key = %(key)s"
_PURGE = "DELETE FROM core_allowance WHERE full_at < statement_timestamp()"


@dataclass(frozen=True, slots=True)
class Bucket:
    """The limit ``name`` of settings.LIMITS for ``who``: a person, an address, a name."""

    name: str
    who: str

    @property
    def values(self) -> dict[str, str | float] | None:
        """What the statements need; None when there is no such limit here."""
        limit = settings.LIMITS[self.name]
        if limit is None:
            return None
        count, window = limit
        return {"key": f"{self.name} {self.who}"[: Allowance.KEY_LENGTH], "window": window, "step": window / count}


def limit_take(*buckets: Bucket, words: str = "That was a lot in a short time.") -> None:
    """Take one of each bucket, or of none. TooMany says how long to wait; ``words`` say what there was too much of.

    Call it outside a transaction: one that is rolled back takes nothing.
    """
    taken: list[Bucket] = []
    for bucket in buckets:
        wait = _take(bucket)
        if wait > 0:
            limit_give_back(*taken)
            log.info("limit %s reached by %s", bucket.name, bucket.who)
            raise TooMany(f"{words} Try again {_in(wait)}.", wait=wait)
        taken.append(bucket)


def limit_give_back(*buckets: Bucket) -> None:
    """What was taken turned out not to count."""
    _run(_GIVE_BACK, buckets)


def limit_forget(*buckets: Bucket) -> None:
    """Everything may be had again."""
    _run(_FORGET, buckets)


def limits_purge() -> int:
    """Remove the rows of full buckets, which say nothing; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(_PURGE)
        return cursor.rowcount


def _take(bucket: Bucket) -> int:
    """0 when one was there, else whole seconds to wait."""
    values = bucket.values
    if values is None:
        return 0
    with unless_disk_full() if bucket.name in _READING else nullcontext(), connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if cursor.fetchone() is not None:
            return 0
        cursor.execute(_WAIT, values)
        row = cursor.fetchone()
        return max(ceil(row[0]), 1) if row is not None else 1
    return 0


def _run(statement: str, buckets: Sequence[Bucket]) -> None:
    with connection.cursor() as cursor:
        for bucket in buckets:
            values = bucket.values
            if values is not None:
                cursor.execute(statement, values)


def _in(seconds: int) -> str:
    if seconds < 60:
        return f"in {seconds} second{'' if seconds == 1 else 's'}"
    minutes = -(-seconds // 60)
    return f"in {minutes} minute{'' if minutes == 1 else 's'}"
