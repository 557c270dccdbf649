"""Rebuilds duplicate groups from what is known: matches between videos and decisions of people.

Matches and decisions are the truth, groups are made of them, so a rebuild can run at any time and as often as one
likes. Every flagged pair ends in some group: near-duplicate pairs together (near_duplicates), pairs that do not fit
into one, containment and shared footage as groups of two, and pairs that share nothing but an intro or an advert as
one group an asset (shared_assets). Decisions hold: confirmed pairs stay together whatever the matcher says now,
dismissed pairs stay dismissed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from uuid import UUID

from django.db import transaction

from apps.duplicates.groups.asset_queries import assets_among
from apps.duplicates.groups.known import COPY_RELATIONS, Known, Members, known_now
from apps.duplicates.groups.locks import GROUPS, take_turns
from apps.duplicates.groups.near_duplicates import Edge, group_pairs
from apps.duplicates.groups.rows import Wanted, rows_write
from apps.duplicates.groups.shared_assets import Asset
from apps.duplicates.models import DuplicateGroup, Relation, ReviewDecision

KIND_OF = {
    Relation.EXACT: DuplicateGroup.Kind.COPIES,
    Relation.NEAR_DUPLICATE: DuplicateGroup.Kind.COPIES,
    Relation.CONTAINS: DuplicateGroup.Kind.CONTAINS,
    Relation.CONTAINED_IN: DuplicateGroup.Kind.CONTAINS,
    Relation.SHARES_SEGMENTS: DuplicateGroup.Kind.SHARES,
    Relation.SHARED_ASSET: DuplicateGroup.Kind.SHARED_ASSET,
}
CONFIRMED_SCORE = 2.0  # above every score of the matcher: what a person confirmed is never the weakest bond


def groups_rebuild() -> int:
    """Make the groups fit the matches and decisions; returns how many are open.

    One transaction; a few queries, whatever the number of groups. A group keeps its id while at least two of its
    members stay together.
    """
    with transaction.atomic():
        take_turns(GROUPS)
        known = known_now()
        wanted = [*_copies(known), *_dismissed(known)]
        covered = {
            pair
            for group in wanted
            for pair in _pairs(group.members)
            if group.kind != DuplicateGroup.Kind.SHARED_ASSET or pair in known.verdicts
        }
        for asset in assets_among(known.matches):
            wanted += _asset_group(known, asset, covered)
        wanted += _single_pairs(known, covered)
        rows_write(wanted, known.contents)
    return sum(group.state == DuplicateGroup.State.OPEN for group in wanted)


def _asset_group(known: Known, asset: Asset[UUID], covered: set[Members]) -> list[Wanted]:
    """One group for all pairs that share nothing but this asset; adds them to ``covered``. What is dismissed or in a
    group of copies already stays there."""
    pairs = asset.pairs - covered
    if not pairs:
        return []
    covered |= pairs
    decisions = [known.verdicts[pair] for pair in pairs if pair in known.verdicts]
    state = DuplicateGroup.State.CONFIRMED if len(decisions) == len(pairs) else DuplicateGroup.State.OPEN
    weakest = min((known.matches[pair] for pair in pairs), key=lambda m: m.score)
    decision = max(decisions, key=lambda d: d.pk, default=None)
    members = frozenset().union(*pairs)
    return [Wanted(DuplicateGroup.Kind.SHARED_ASSET, state, members, weakest, decision, len(asset.videos))]


def _pairs(members: Members) -> Iterable[Members]:
    return (frozenset(pair) for pair in combinations(members, 2))


def _copies(known: Known) -> list[Wanted]:
    """Components of near-duplicate pairs and of pairs that a person confirmed as copies."""
    edges: list[Edge[UUID]] = []
    refused: list[tuple[UUID, UUID]] = []
    for pair, match in known.matches.items():
        if match.relation in COPY_RELATIONS:
            one, other = sorted(pair)
            edges.append(Edge(one, other, match.score))
    for pair, decision in known.verdicts.items():
        one, other = sorted(pair)
        if decision.verdict == ReviewDecision.Verdict.NOT_DUPLICATES:
            refused.append((one, other))
        elif decision.kind == DuplicateGroup.Kind.COPIES:
            edges.append(Edge(one, other, CONFIRMED_SCORE))
    return [_copy_group(known, frozenset(group.members)) for group in group_pairs(edges, refused)]


def _copy_group(known: Known, members: Members) -> Wanted:
    matches = [known.matches[pair] for pair in _pairs(members) if pair in known.matches]
    decisions = [known.verdicts[pair] for pair in _pairs(members) if pair in known.verdicts]
    # A member that joined after the review has to be looked at: the group is open again.
    settled = len(decisions) == len(members) * (len(members) - 1) // 2
    return Wanted(
        DuplicateGroup.Kind.COPIES,
        DuplicateGroup.State.CONFIRMED if settled else DuplicateGroup.State.OPEN,
        members,
        min(matches, key=lambda m: m.score, default=None),
        max(decisions, key=lambda d: d.pk, default=None),
    )


def _dismissed(known: Known) -> list[Wanted]:
    """What was dismissed at once is shown as one group, as long as all of it is dismissed; else pair by pair."""
    batches: dict[UUID, list[Members]] = defaultdict(list)
    for pair, decision in known.verdicts.items():
        if decision.verdict == ReviewDecision.Verdict.NOT_DUPLICATES:
            batches[decision.batch].append(pair)
    wanted: list[Wanted] = []
    for pairs in batches.values():
        members = frozenset().union(*pairs)
        whole = len(pairs) == len(members) * (len(members) - 1) // 2
        whole = whole or known.verdicts[pairs[0]].kind == DuplicateGroup.Kind.SHARED_ASSET  # decided match by match
        for group in [members] if whole else pairs:
            matches = [known.matches[pair] for pair in _pairs(group) if pair in known.matches]
            decided = [known.verdicts[pair] for pair in _pairs(group) if pair in known.verdicts]
            decision = max(decided, key=lambda d: d.pk)
            weakest = min(matches, key=lambda m: m.score, default=None)
            wanted.append(Wanted(decision.kind, DuplicateGroup.State.DISMISSED, group, weakest, decision))
    return wanted


def _single_pairs(known: Known, covered: set[Members]) -> list[Wanted]:
    """Groups of two for the pairs that no group covers: matched ones to review, and confirmed ones."""
    wanted: list[Wanted] = []
    for pair, decision in known.verdicts.items():
        if pair not in covered:
            state = DuplicateGroup.State.CONFIRMED
            wanted.append(Wanted(decision.kind, state, pair, known.matches.get(pair), decision))
    for pair, match in known.matches.items():
        if pair not in covered and pair not in known.verdicts:
            wanted.append(Wanted(KIND_OF[Relation(match.relation)], DuplicateGroup.State.OPEN, pair, match))
    return wanted
