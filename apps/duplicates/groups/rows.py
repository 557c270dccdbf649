"""Turns wanted groups into rows and keeps the ids of those that were there before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings
from django.utils import timezone

from apps.duplicates.groups.keeper import MemberFacts, propose_keeper
from apps.duplicates.groups.known import KnownMatch, Members
from apps.duplicates.models import DuplicateGroup, GroupMember, ReviewDecision
from apps.videos.models import Video
from apps.videos.paths import protected_folder

BATCH = 500
CHOSEN_BEFORE = "a reviewer chose it before another copy appeared"
# What a rebuild may change; rows in which none of it differs are not written.
FIELDS = ("kind", "state", "score", "weakest_match_id", "proposed_keeper_id", "keeper_reasons", "keeper_id",
          "reviewer_id", "reviewed_at", "asset_videos")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """A group as it should be, before it becomes a row."""

    kind: str
    state: str
    members: Members
    weakest: KnownMatch | None
    decision: ReviewDecision | None = None  # the latest one about its pairs
    asset_videos: int = 0  # of a shared asset


def rows_write(wanted: Sequence[Wanted], contents: Mapping[UUID, str]) -> None:
    """Insert, change and remove rows until they are ``wanted``. Call it inside the transaction with the lock."""
    rows = {row.id: row for row in DuplicateGroup.objects.all()}
    members: dict[UUID, set[UUID]] = {row_id: set() for row_id in rows}
    for group_id, video_id in GroupMember.objects.values_list("group_id", "video_id"):
        members[group_id].add(video_id)
    assigned = _assign(wanted, rows, members)
    DuplicateGroup.objects.filter(id__in=set(rows) - set(assigned)).delete()

    facts = member_facts(Video.objects.filter(id__in={video_id for group in wanted for video_id in group.members}))
    ids = {sha256: video_id for video_id, sha256 in contents.items()}
    new, changed = [], []
    for group_id, group in assigned.items():
        row = rows.get(group_id) or DuplicateGroup(id=group_id)
        before = [getattr(row, name) for name in FIELDS]
        _fill(row, group, facts, ids)
        if group_id not in rows:
            new.append(row)
        elif before != [getattr(row, name) for name in FIELDS]:
            row.updated_at = timezone.now()
            changed.append(row)
    DuplicateGroup.objects.bulk_create(new, batch_size=BATCH)
    columns = [name.removesuffix("_id") for name in FIELDS]
    DuplicateGroup.objects.bulk_update(changed, [*columns, "updated_at"], batch_size=BATCH)
    for group_id, group in assigned.items():
        gone = members.get(group_id, set()) - group.members
        if gone:
            GroupMember.objects.filter(group_id=group_id, video_id__in=gone).delete()
    GroupMember.objects.bulk_create(
        (
            GroupMember(group_id=group_id, video_id=video_id)
            for group_id, group in assigned.items()
            for video_id in sorted(group.members - members.get(group_id, set()))
        ),
        batch_size=BATCH,
    )


def _assign(
    wanted: Sequence[Wanted], rows: Mapping[UUID, DuplicateGroup], members: Mapping[UUID, Collection[UUID]]
) -> dict[UUID, Wanted]:
    """group id -> wanted group. An old id goes where most of its members are, and nowhere for fewer than two."""
    homes: dict[UUID, list[UUID]] = defaultdict(list)  # video -> old groups
    for row_id, videos in members.items():
        for video_id in videos:
            homes[video_id].append(row_id)
    options = []
    for index, group in enumerate(wanted):
        for row_id in {row_id for video_id in group.members for row_id in homes[video_id]}:
            shared = len(group.members.intersection(members[row_id]))
            if shared > 1:
                row = rows[row_id]
                differs = (row.kind != group.kind) + (row.state != group.state)
                options.append((-shared, differs, row.created_at, row_id, index))
    assigned: dict[UUID, Wanted] = {}
    placed: set[int] = set()
    for _, _, _, row_id, index in sorted(options):
        if row_id not in assigned and index not in placed:
            assigned[row_id] = wanted[index]
            placed.add(index)
    for index, group in enumerate(wanted):
        if index not in placed:
            assigned[uuid4()] = group
    return assigned


def member_facts(videos: Iterable[Video]) -> dict[UUID, MemberFacts[UUID]]:
    """As far as the rows know: no file is looked at."""
    return {
        video.id: MemberFacts(
            id=video.id,
            width=video.width or 0,
            height=video.height or 0,
            bit_rate=video.bit_rate or 0,
            video_codec=video.video_codec,
            duration_seconds=video.duration_seconds or 0.0,
            audio_codec=video.audio_codec,
            added_at=video.created_at,
            protected_folder=protected_folder(video.path, settings.PROTECTED_FOLDERS),
            missing=video.missing_since is not None,
        )
        for video in videos
    }


def _fill(row: DuplicateGroup, group: Wanted, facts: Mapping[UUID, MemberFacts[UUID]], ids: Mapping[str, UUID]) -> None:
    decision = group.decision
    chosen = ids.get(decision.keeper_sha256) if decision and decision.keeper_sha256 else None
    chosen = chosen if chosen in group.members else None
    is_open = group.state == DuplicateGroup.State.OPEN
    row.kind, row.state, row.asset_videos = group.kind, group.state, group.asset_videos
    row.score = group.weakest.score if group.weakest else 0.0
    row.weakest_match_id = group.weakest.id if group.weakest else None
    if group.kind == DuplicateGroup.Kind.SHARED_ASSET:
        row.proposed_keeper_id, row.keeper_reasons = None, []  # episodes with one intro: nothing to choose between
    elif is_open and chosen and not facts[chosen].missing:
        row.proposed_keeper_id, row.keeper_reasons = chosen, [CHOSEN_BEFORE]
    else:
        copies = [facts[member] for member in sorted(group.members)]
        proposed = propose_keeper(copies)
        row.proposed_keeper_id, row.keeper_reasons = proposed
    row.keeper_id = None if is_open else chosen
    row.reviewer_id = decision.reviewer_id if decision and not is_open else None
    row.reviewed_at = decision.decided_at if decision and not is_open else None
