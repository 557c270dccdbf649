"""Reading groups and decisions."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from apps.core.exceptions import InvalidInput, NotFound
from apps.duplicates.models import DuplicateGroup, ReviewDecision

Kind = DuplicateGroup.Kind
KIND_ORDER = Case(
    When(kind=Kind.COPIES, then=Value(0)), When(kind=Kind.CONTAINS, then=Value(1)),
    When(kind=Kind.SHARES, then=Value(2)), default=Value(3), output_field=IntegerField(),
)  # fmt: skip
SUREST_FIRST: tuple[str, ...] = ("kind_order", "-score", "id")


def group_list(*, state: str = DuplicateGroup.State.OPEN, kind: str = "") -> QuerySet[DuplicateGroup]:
    """Groups with at least two videos: copies first, surest first. ``state`` "" means all.

    Each has member_count, and lost_count: members whose file is missing."""
    if state and state not in DuplicateGroup.State.values:
        raise InvalidInput(f"state must be one of {', '.join(DuplicateGroup.State.values)}.", field="state")
    if kind and kind not in Kind.values:
        raise InvalidInput(f"kind must be one of {', '.join(Kind.values)}.", field="kind")
    counted = DuplicateGroup.objects.annotate(
        member_count=Count("members", distinct=True),
        lost_count=Count("members", distinct=True, filter=Q(members__missing_since__isnull=False)),
        kind_order=KIND_ORDER,
    )
    groups = counted.filter(member_count__gt=1)
    if state:
        groups = groups.filter(state=state)
    if kind:
        groups = groups.filter(kind=kind)
    related = groups.select_related("proposed_keeper", "keeper", "reviewer", "weakest_match")
    return related.prefetch_related("members").order_by(*SUREST_FIRST)


def group_counts() -> dict[str, int]:
    """state -> how many groups."""
    rows = DuplicateGroup.objects.order_by().values_list("state").annotate(count=Count("id"))
    return dict.fromkeys(DuplicateGroup.State.values, 0) | dict(rows)


def group_kind_counts(*, state: str) -> dict[str, int]:
    """kind -> how many groups in this state."""
    return Counter(kind for kind, _ in group_list(state=state).order_by().values_list("kind", "id"))


def group_get(*, group_id: UUID) -> DuplicateGroup:
    groups = DuplicateGroup.objects.select_related("proposed_keeper", "keeper", "reviewer", "weakest_match")
    group = groups.filter(id=group_id).first()
    if group is None:
        raise NotFound("There is no such group. Its videos may have been deleted or regrouped.")
    return group


def decision_list() -> QuerySet[ReviewDecision]:
    return ReviewDecision.objects.select_related("reviewer").order_by("-id")
