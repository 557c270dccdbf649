"""What a reviewer may do. Each action appends decisions and rebuilds the groups in one transaction.

No file is touched: choosing the copy to keep marks the others as spare and nothing else. Who may review is checked
by the callers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Conflict, InvalidInput, NotFound
from apps.core.plain import lines
from apps.duplicates.groups.asset_queries import asset_pairs
from apps.duplicates.groups.locks import GROUPS, take_turns
from apps.duplicates.groups.rebuild import KIND_OF, groups_rebuild
from apps.duplicates.groups.verdicts import Pair, content_pair, content_pairs, verdicts_latest
from apps.duplicates.models import DuplicateGroup, Relation, ReviewDecision, VideoMatch
from apps.videos.models import Video
from apps.videos.presence import LOST, Place, videos_check

Verdict = ReviewDecision.Verdict
NOTHING_DELETED = "No file is deleted: the other copies are only marked as spare."


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What an action wrote; any of its decisions undoes all of them."""

    batch: UUID
    decision_ids: list[int]

    @property
    def undo_id(self) -> int:
        return self.decision_ids[0]


def group_confirm(
    *,
    group_id: UUID,
    reviewer: User | None,
    keeper_id: UUID | None = None,
    seen: Collection[UUID] | None = None,
    note: str = "",
) -> Reviewed:
    """All members belong together; with ``keeper_id`` that one is kept and the others are spare, else all are kept.

    ``seen``: the members that the reviewer had before their eyes. Raises Conflict when the group has others now, and
    when the file of the copy to keep is not there.
    """
    if keeper_id is not None:
        _file_check(group_id, keeper_id)
    with transaction.atomic():
        group, contents = _group(group_id, seen)
        if keeper_id is not None and group.kind == DuplicateGroup.Kind.SHARED_ASSET:
            raise InvalidInput(
                "Videos that only share an intro are not copies: there is no copy to keep.", field="keeper"
            )
        if keeper_id is not None and keeper_id not in contents:
            raise InvalidInput("The copy to keep must be one of the group.", field="keeper")
        keeper = contents[keeper_id] if keeper_id else ""
        pairs = _pairs_of(group, contents)
        return _append([_row(pair, group.kind, Verdict.DUPLICATES, note, keeper) for pair in pairs], reviewer)


def _file_check(group_id: UUID, keeper_id: UUID) -> None:
    """Keeping a file that is not there would leave the others to be deleted. While the folders of all copies are away,
    as when a share is not connected, the choice is free."""
    places = videos_check(Video.objects.filter(duplicate_groups__id=group_id))
    place = places.get(keeper_id, Place.HERE)
    if place in LOST or (place == Place.AWAY and Place.HERE in places.values()):
        raise Conflict(f"This copy cannot be the one to keep. {place.words} Or choose another copy.")


def group_dismiss(
    *, group_id: UUID, reviewer: User | None, seen: Collection[UUID] | None = None, note: str = ""
) -> Reviewed:
    """No two members are duplicates; none of these pairs comes back, whatever is scanned or imported again."""
    with transaction.atomic():
        group, contents = _group(group_id, seen)
        pairs = _pairs_of(group, contents)
        return _append([_row(pair, group.kind, Verdict.NOT_DUPLICATES, note) for pair in pairs], reviewer)


def pair_decide(*, first_id: UUID, second_id: UUID, verdict: str, reviewer: User | None, note: str = "") -> Reviewed:
    """Decide one pair, in a group or not. ``verdict``: duplicates or not_duplicates."""
    if verdict not in {Verdict.DUPLICATES, Verdict.NOT_DUPLICATES}:
        raise InvalidInput("Choose one of: duplicates, not_duplicates.", field="verdict")
    if first_id == second_id:
        raise InvalidInput("A pair needs two different videos.", field="second")
    with transaction.atomic():
        take_turns(GROUPS)
        contents = dict(Video.objects.filter(id__in=[first_id, second_id]).values_list("id", "sha256"))
        if len(contents) < 2:
            raise NotFound("One of these videos is no longer in the library.")
        a, b = sorted(contents)
        relation = VideoMatch.objects.filter(a_id=a, b_id=b).order_by("-created_at").values_list("relation", flat=True)
        known = relation.first()
        kind = KIND_OF[Relation(known)] if known else DuplicateGroup.Kind.COPIES
        return _append([_row(pair, kind, verdict, note) for pair in content_pairs(contents.values())], reviewer)


def decision_undo(*, decision_id: int, reviewer: User | None) -> Reviewed:
    """Take back all that was decided together with this decision: each pair is again as it was before.

    Pairs that were decided anew since then stay. Undoing an undo brings the decision back. Raises NotFound, and
    Conflict when nothing is left to take back.
    """
    with transaction.atomic():
        take_turns(GROUPS)
        batch = ReviewDecision.objects.filter(id=decision_id).values_list("batch", flat=True).first()
        if batch is None:
            raise NotFound("There is no such decision.")
        undone = []
        for decision in ReviewDecision.objects.filter(batch=batch).order_by("id"):
            pair = (decision.first_sha256, decision.second_sha256)
            history = ReviewDecision.objects.filter(first_sha256=pair[0], second_sha256=pair[1]).order_by("-id")
            if history.values_list("id", flat=True).first() != decision.pk:
                continue
            before = history.filter(id__lt=decision.pk).first()
            kind, verdict, keeper = decision.kind, str(Verdict.UNDONE), ""
            if before is not None:
                kind, verdict, keeper = before.kind, before.verdict, before.keeper_sha256
            undone.append(_row(pair, kind, verdict, f"undoes decision {decision.pk}", keeper))
        if not undone:
            raise Conflict("This decision was already undone or replaced.")
        return _append(undone, reviewer)


def verdicts_carry_over(*, video: Video) -> Reviewed | None:
    """What was decided about the video whose place ``video`` took under the same name holds for it as well, once the
    two are found to be copies of each other. Pairs that have a verdict keep it; nobody's name stands under the copy."""
    old = video.successor_of
    if old is None or not _are_copies(video, old):
        return None
    with transaction.atomic():
        take_turns(GROUPS)
        known = verdicts_latest(about=video.sha256)
        rows = []
        for pair, decision in verdicts_latest(about=old.sha256).items():
            (other,) = set(pair) - {old.sha256}
            carried = content_pair(video.sha256, other)
            if other == video.sha256 or carried in known:
                continue
            keeper = video.sha256 if decision.keeper_sha256 == old.sha256 else decision.keeper_sha256
            note = f"carried over from {old.title}, which had this file's place; decision {decision.pk}"
            rows.append(_row(carried, decision.kind, decision.verdict, note, keeper))
        return _append(rows, None) if rows else None


def _are_copies(video: Video, other: Video) -> bool:
    a, b = sorted((video.id, other.id))
    copies = [Relation.EXACT, Relation.NEAR_DUPLICATE]
    return VideoMatch.objects.filter(a_id=a, b_id=b, relation__in=copies).exists()


def _group(group_id: UUID, seen: Collection[UUID] | None) -> tuple[DuplicateGroup, dict[UUID, str]]:
    """The group and video id -> sha256 of its members, while nobody else can change groups."""
    take_turns(GROUPS)
    group = DuplicateGroup.objects.filter(id=group_id).first()
    if group is None:
        raise NotFound("This group no longer exists: its videos were deleted or regrouped.")
    contents = dict(group.members.values_list("id", "sha256"))
    if len(contents) < 2:
        raise Conflict("Only one video of this group is left, so there is nothing to decide.")
    if seen is not None and set(seen) != set(contents):
        raise Conflict("This group has changed since you opened it. Look at it again, then decide.")
    return group, contents


def _pairs_of(group: DuplicateGroup, contents: Mapping[UUID, str]) -> list[Pair]:
    """What a decision about the group decides: every pair; of a shared asset only the pairs that share nothing else,
    for two of its videos may be copies of each other."""
    if group.kind != DuplicateGroup.Kind.SHARED_ASSET:
        return content_pairs(contents.values())
    theirs = [sorted(pair) for pair in asset_pairs() if pair <= contents.keys()]
    return [content_pair(contents[a], contents[b]) for a, b in theirs]


def _row(pair: Pair, kind: str, verdict: str, note: str, keeper_sha256: str = "") -> ReviewDecision:
    return ReviewDecision(
        first_sha256=pair[0],
        second_sha256=pair[1],
        kind=kind,
        verdict=verdict,
        note=lines(note)[:2000],
        keeper_sha256=keeper_sha256,
    )


def _append(decisions: list[ReviewDecision], reviewer: User | None) -> Reviewed:
    """Write what one click decided, as one batch, and rebuild the groups. The caller holds the GROUPS lock."""
    batch = uuid4()
    for decision in decisions:
        decision.batch, decision.reviewer = batch, reviewer
    ReviewDecision.objects.bulk_create(decisions)
    groups_rebuild()
    return Reviewed(batch, [decision.pk for decision in decisions])
