"""Duplicate groups from near-duplicate pairs. Pure: no Django, no I/O, the same input gives the same output.

Raw connected components chain: A resembles B, B resembles C, and unrelated videos end in one group. So a component
is split until every member matches at least half of the others, and every group names its weakest pair.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)

MIN_SHARE = 0.5  # of the other members that each member must match


@dataclass(frozen=True, slots=True)
class Edge(Generic[Id]):
    """One near-duplicate pair; the order of its ends means nothing. score: higher is more certain."""

    a: Id
    b: Id
    score: float

    @property
    def pair(self) -> frozenset[Id]:
        return frozenset((self.a, self.b))


@dataclass(frozen=True, slots=True)
class Group(Generic[Id]):
    """Members in ascending order, the pairs that really matched (surest first), and the least sure of them."""

    members: tuple[Id, ...]
    edges: tuple[Edge[Id], ...]
    weakest_edge: Edge[Id]


def group_pairs(
    edges: Iterable[Edge[Id]], dismissed: Iterable[tuple[Id, Id]] = (), *, min_share: float = MIN_SHARE
) -> list[Group[Id]]:
    """Groups of two or more, largest first, each video in at most one.

    A dismissed pair counts as "does not match" and its two videos never share a group: the one that fits worse leaves.
    Of several edges of one pair the best counts. Videos that leave a group may form another one among themselves.
    """
    refused = {frozenset(pair) for pair in dismissed}
    best: dict[frozenset[Id], Edge[Id]] = {}
    for edge in edges:
        if edge.score != edge.score:
            raise ValueError(f"the match of {edge.a!r} and {edge.b!r} has no number as its score")
        if edge.a == edge.b or edge.pair in refused:
            continue
        held = best.get(edge.pair)
        if held is None or edge.score > held.score:
            best[edge.pair] = edge
    neighbours: dict[Id, dict[Id, Edge[Id]]] = {}
    for edge in best.values():
        neighbours.setdefault(edge.a, {})[edge.b] = edge
        neighbours.setdefault(edge.b, {})[edge.a] = edge
    groups: list[Group[Id]] = []
    pending = _components(set(neighbours), neighbours)
    while pending:
        kept, left = _settle(pending.pop(), neighbours, refused, min_share)
        if len(kept) > 1:
            groups.append(_describe(kept, neighbours))
        pending.extend(c for c in _components(left, neighbours) if len(c) > 1)
    return sorted(groups, key=lambda g: (-len(g.members), [_key(m) for m in g.members]))


def _key(member: Hashable) -> tuple[int, int, str]:
    """A total order over any ids: numbers by value, then everything else by its text."""
    return (0, member, "") if isinstance(member, int) else (1, 0, str(member))


def _components(members: set[Id], neighbours: dict[Id, dict[Id, Edge[Id]]]) -> list[set[Id]]:
    """Connected components inside ``members``, those with the smallest ids first."""
    left, result = set(members), []
    for seed in sorted(members, key=_key):
        if seed not in left:
            continue
        component, frontier = {seed}, [seed]
        while frontier:
            for other in neighbours[frontier.pop()]:
                if other in left and other not in component:
                    component.add(other)
                    frontier.append(other)
        left -= component
        result.append(component)
    return result


def _settle(
    component: set[Id], neighbours: dict[Id, dict[Id, Edge[Id]]], refused: set[frozenset[Id]], min_share: float
) -> tuple[set[Id], set[Id]]:
    """Send members away, the worst fitting first, until all that stay fit: (who stays, who left)."""
    kept, left = set(component), set()
    while len(kept) > 1:
        # descending order: of two that fit equally badly the one with the larger id leaves
        ordered = sorted(kept, key=_key, reverse=True)
        misfits = [m for m in ordered if not _fits(m, kept, neighbours, refused, min_share)]
        if not misfits:
            break
        worst = min(misfits, key=lambda m: _bond(m, kept, neighbours))
        kept.discard(worst)
        left.add(worst)
    # what stays may have fallen apart; only its first part stays, the rest is looked at again
    parts = _components(kept, neighbours)
    if len(parts) > 1:
        parts.sort(key=lambda p: (-len(p), min(_key(m) for m in p)))
        left |= kept - parts[0]
        kept = parts[0]
    return kept, left


def _fits(
    member: Id,
    kept: set[Id],
    neighbours: dict[Id, dict[Id, Edge[Id]]],
    refused: set[frozenset[Id]],
    min_share: float,
) -> bool:
    others = kept - {member}
    if any(frozenset((member, other)) in refused for other in others):
        return False
    return sum(other in neighbours[member] for other in others) >= min_share * len(others)


def _bond(member: Id, kept: set[Id], neighbours: dict[Id, dict[Id, Edge[Id]]]) -> tuple[int, float]:
    """How many members this one matches, and how surely in sum."""
    scores = sorted(edge.score for other, edge in neighbours[member].items() if other in kept)
    return len(scores), sum(scores)


def _describe(members: set[Id], neighbours: dict[Id, dict[Id, Edge[Id]]]) -> Group[Id]:
    inside = {e.pair: e for m in members for other, e in neighbours[m].items() if other in members}
    ranked: Sequence[Edge[Id]] = sorted(inside.values(), key=lambda e: (-e.score, sorted(_key(m) for m in e.pair)))
    return Group(tuple(sorted(members, key=_key)), tuple(ranked), ranked[-1])
