"""What people decided about pairs: by content, the latest decision holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import combinations

from django.db.models import Q

from apps.duplicates.models import ReviewDecision

Pair = tuple[str, str]  # two sha256, the smaller first


def content_pair(one: str, other: str) -> Pair:
    return (one, other) if one <= other else (other, one)


def content_pairs(sha256s: Iterable[str]) -> list[Pair]:
    """Every pair of the contents, each once."""
    return [content_pair(one, other) for one, other in combinations(sorted(set(sha256s)), 2)]


def verdicts_latest(*, sha256s: Collection[str] | None = None, about: str | None = None) -> dict[Pair, ReviewDecision]:
    """The decision that holds for each pair, among these contents, or about this one, if given. Taken back ones are
    left out.

    Costs one query.
    """
    rows = ReviewDecision.objects.order_by("first_sha256", "second_sha256", "-id")
    if sha256s is not None:
        rows = rows.filter(first_sha256__in=sha256s, second_sha256__in=sha256s)
    if about is not None:
        rows = rows.filter(Q(first_sha256=about) | Q(second_sha256=about))
    latest = rows.distinct("first_sha256", "second_sha256")
    return {(d.first_sha256, d.second_sha256): d for d in latest if d.verdict != ReviewDecision.Verdict.UNDONE}
