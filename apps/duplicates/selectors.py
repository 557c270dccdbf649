"""Reading groups, decisions and lookups."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.urls import reverse

from apps.core.exceptions import InvalidInput, NotFound
from apps.core.models import Job
from apps.duplicates.evidence import Evidence, group_evidence
from apps.duplicates.lookups import asked_with
from apps.duplicates.models import DuplicateGroup, Lookup, ReviewDecision
from apps.duplicates.notes import INSTEAD, note_message
from apps.duplicates.wording import overall_words
from apps.videos.models import Video
from vsearch.jobs import JobKind

Kind = DuplicateGroup.Kind
KIND_ORDER = Case(
    When(kind=Kind.COPIES, then=Value(0)), When(kind=Kind.CONTAINS, then=Value(1)),
    When(kind=Kind.SHARES, then=Value(2)), default=Value(3), output_field=IntegerField(),
)  # fmt: skip

__all__ = ["Evidence", "decision_list", "group_counts", "group_evidence", "group_get", "group_kind_counts",
           "group_list", "lookup_answer",
           "lookup_get", "lookup_list", "videos_compared"]  # fmt: skip


def group_list(*, state: str = DuplicateGroup.State.OPEN, kind: str = "") -> QuerySet[DuplicateGroup]:
    """Groups with at least two videos: copies first, surest first. ``state`` "" means all."""
    if state and state not in DuplicateGroup.State.values:
        raise InvalidInput(f"state is one of {', '.join(DuplicateGroup.State.values)}.", field="state")
    if kind and kind not in Kind.values:
        raise InvalidInput(f"kind is one of {', '.join(Kind.values)}.", field="kind")
    groups = DuplicateGroup.objects.annotate(member_count=Count("members"), kind_order=KIND_ORDER).filter(
        member_count__gt=1
    )
    if state:
        groups = groups.filter(state=state)
    if kind:
        groups = groups.filter(kind=kind)
    related = groups.select_related("proposed_keeper", "keeper", "reviewer", "weakest_match")
    return related.prefetch_related("members").order_by("kind_order", "-score", "id")


def group_counts() -> dict[str, int]:
    """state -> how many groups."""
    rows = DuplicateGroup.objects.order_by().values_list("state").annotate(count=Count("id"))
    return dict.fromkeys(DuplicateGroup.State.values, 0) | dict(rows)


def group_kind_counts(*, state: str) -> dict[str, int]:
    """kind -> how many groups in this state."""
    rows = group_list(state=state).order_by().values_list("kind", "id")
    counts: dict[str, int] = {}
    for kind, _ in rows:
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def videos_compared(lookup: Lookup) -> int:
    """How many videos of the library a finished lookup had to compare with."""
    ready = Video.objects.filter(state=Video.State.READY, ready_at__lte=lookup.updated_at)
    return ready.exclude(id=lookup.video_id).count() if lookup.video_id else ready.count()


def group_get(*, group_id: UUID) -> DuplicateGroup:
    groups = DuplicateGroup.objects.select_related("proposed_keeper", "keeper", "reviewer", "weakest_match")
    group = groups.filter(id=group_id).first()
    if group is None:
        raise NotFound("There is no such group. Its videos may have been deleted or regrouped.")
    return group


def decision_list() -> QuerySet[ReviewDecision]:
    return ReviewDecision.objects.select_related("reviewer").order_by("-id")


def lookup_get(*, lookup_id: UUID, user: Any) -> Lookup:
    """The lookup of this person, or one that was asked anonymously; NotFound for anybody else's.

    An anonymous lookup has no owner to prove: who knows its random id may read it, so that a script without cookies
    can ask and fetch the answer. Only the session that asked it sees it in a list or removes it.
    """
    owner = user if user is not None and user.is_authenticated else None
    lookup = Lookup.objects.select_related("video").filter(id=lookup_id).first()
    readable = lookup is not None and lookup.owner_id in {None, owner.pk if owner is not None else None}
    if lookup is None or not readable:
        raise NotFound("There is no such lookup. It may have expired.")
    return lookup


def lookup_list(*, user: Any, session_key: str = "", limit: int = 20) -> list[Lookup]:
    """The newest lookups of this person or session."""
    if user is not None and user.is_authenticated:
        mine = Lookup.objects.filter(owner=user)
    elif session_key:
        mine = Lookup.objects.filter(owner=None, session_key=session_key)
    else:
        return []
    return list(mine.select_related("video").order_by("-created_at")[:limit])


def lookup_answer(lookup: Lookup, *, with_paths: bool = True) -> dict[str, Any]:
    """The body of GET /api/v1/lookups/{id}. Videos deleted since are left out, titles are those of today.

    ``with_paths=False`` (strangers) shows the name of a file and not where it lies on the server.
    """
    videos = Video.objects.in_bulk([match["video"]["id"] for match in lookup.matches])
    drawn = set(lookup.pictures.values_list("video_id", flat=True)) if lookup.matches else set()
    matches = []
    for match in lookup.matches:
        video = videos.get(UUID(match["video"]["id"]))
        if video is not None:
            path = video.path if with_paths else video.original_name
            picture = (
                reverse("duplicates:lookup_picture_png", args=[lookup.id, video.id]) if video.id in drawn else None
            )
            told = {**match["video"], "title": video.title, "path": path}
            matches.append({**match, "video": told, "picture_url": picture})
    job = Job.objects.filter(kind=JobKind.LOOKUP, subject_id=lookup.id).order_by("-created_at").first()
    done = lookup.state == Lookup.State.DONE
    return {
        "id": str(lookup.id),
        "state": lookup.state,
        "stage": lookup.stage,
        "percent": lookup.percent,
        "seconds_left": job.seconds_left if job else None,
        "file_name": lookup.file_name,
        "video_id": str(lookup.video_id) if lookup.video_id else None,
        "span": [lookup.start_seconds, lookup.end_seconds] if lookup.start_seconds is not None else None,
        "duration": lookup.duration_seconds,
        "failure": {"code": lookup.failure_code, "message": lookup.failure} if lookup.failure else None,
        "verdict": _verdict(lookup, matches) if done else "",
        "note": {"code": lookup.note, "message": note_message(lookup.note)} if lookup.note else None,
        "matches": matches,
        "created_at": lookup.created_at.isoformat(),
        "expires_at": lookup.expires_at.isoformat(),
    }


def _verdict(lookup: Lookup, matches: list[dict[str, Any]]) -> str:
    if not matches and lookup.note in INSTEAD:
        return INSTEAD[lookup.note]
    return overall_words([match["relation"] for match in matches], asked=asked_with(lookup))
