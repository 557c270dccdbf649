"""Intros, adverts and the like: footage that many different videos have. Pure: no Django, no I/O.

A second of a video is shared when matched segments join it to more than so many other videos, where copies of each
other count as one: ten re-encodes of a film make none of it an advert. A pair whose segments all lie in shared
seconds says nothing about the two videos and makes no group of copies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Id = TypeVar("Id", bound=Hashable)
Interval = tuple[float, float]  # seconds, [start, end)

MIN_SHARE = 0.9  # of a segment that must lie in shared seconds; boundaries of segments are not exact
SLACK_SECONDS = 1.0  # of a segment that may stick out anyway


@dataclass(frozen=True, slots=True)
class Shared(Generic[Id]):
    """One matched segment between two videos, whatever the order."""

    a: Id
    b: Id
    a_span: Interval
    b_span: Interval

    @property
    def pair(self) -> frozenset[Id]:
        return frozenset((self.a, self.b))


@dataclass(frozen=True, slots=True)
class Asset(Generic[Id]):
    """One intro or advert: the pairs that share nothing else, and the videos of those pairs."""

    videos: frozenset[Id]
    pairs: frozenset[frozenset[Id]]


class _Sets(Generic[Id]):
    """Disjoint sets; each is known by one of its members."""

    def __init__(self) -> None:
        self._parent: dict[Id, Id] = {}

    def find(self, one: Id) -> Id:
        self._parent.setdefault(one, one)
        root = one
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[one] != root:
            self._parent[one], one = root, self._parent[one]
        return root

    def join(self, one: Id, other: Id) -> None:
        self._parent[self.find(one)] = self.find(other)


def families(copies: Iterable[tuple[Id, Id]]) -> Mapping[Id, Id]:
    """video -> its family, for every video that has copies. Who is not in it is a family of one."""
    sets: _Sets[Id] = _Sets()
    seen: set[Id] = set()
    for one, other in copies:
        sets.join(one, other)
        seen |= {one, other}
    return {video: sets.find(video) for video in seen}


def shared_spans(
    segments: Iterable[Shared[Id]], copies: Iterable[tuple[Id, Id]], more_than: int
) -> dict[Id, list[Interval]]:
    """The seconds of each video that more than ``more_than`` different videos have, itself among them.

    Segments between copies count nothing. Intervals ascend and do not touch; videos without any are left out.
    """
    if more_than < 2:
        raise ValueError("footage of two videos is a match, not a shared asset: more_than must be 2 or more")
    family = families(copies)
    spans: dict[Id, dict[Id, list[Interval]]] = defaultdict(lambda: defaultdict(list))  # video -> family -> spans
    for s in segments:
        mine, theirs = family.get(s.a, s.a), family.get(s.b, s.b)
        if mine != theirs:
            spans[s.a][theirs].append(s.a_span)
            spans[s.b][mine].append(s.b_span)
    result = {video: _crowded(list(by_family.values()), more_than) for video, by_family in spans.items()}
    return {video: intervals for video, intervals in result.items() if intervals}


def _crowded(spans: Sequence[Sequence[Interval]], others: int) -> list[Interval]:
    """Where at least ``others`` of the lists have a span: with the video itself that is more than ``others``."""
    events: list[tuple[float, int]] = []
    for one in spans:
        for start, end in union(one):  # a family counts once, however often it matched there
            events += [(start, 1), (end, -1)]
    events.sort()
    result: list[Interval] = []
    depth, begun = 0, 0.0
    for at, step in events:  # ends sort before starts of the same second
        before, depth = depth, depth + step
        if before < others <= depth:
            begun = at
        elif depth < others <= before and at > begun:
            result.append((begun, at))
    return union(result)


def union(spans: Iterable[Interval]) -> list[Interval]:
    """The same seconds as intervals that ascend and do not touch; empty ones are left out."""
    result: list[Interval] = []
    for start, end in sorted(span for span in spans if span[1] > span[0]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def lies_in(span: Interval, intervals: Sequence[Interval]) -> bool:
    """Whether (nearly) all of the span lies in the intervals, which must not overlap."""
    length = span[1] - span[0]
    if length <= 0:
        return any(start <= span[0] < end for start, end in intervals)
    inside = sum(max(0.0, min(span[1], end) - max(span[0], start)) for start, end in intervals)
    return inside > 0 and (inside >= MIN_SHARE * length or (length - inside <= SLACK_SECONDS and inside >= length / 2))


def shared_assets(
    segments: Iterable[Shared[Id]], copies: Iterable[tuple[Id, Id]], *, more_than: int
) -> list[Asset[Id]]:
    """The shared assets of a library, largest first. ``copies`` are the pairs of near-duplicates; they never become
    pairs of an asset. Each pair is in one asset at most."""
    listed, known = list(segments), list(copies)
    shared = shared_spans(listed, known, more_than)
    family = families(known)
    by_pair: dict[frozenset[Id], list[Shared[Id]]] = defaultdict(list)
    for s in listed:
        if s.a != s.b and family.get(s.a, s.a) != family.get(s.b, s.b):
            by_pair[s.pair].append(s)
    sets: _Sets[Any] = _Sets()
    homes: dict[frozenset[Id], Any] = {}
    for pair, theirs in by_pair.items():
        # One side is enough: what the other side shows there is the same footage.
        if all(lies_in(s.a_span, shared.get(s.a, ())) or lies_in(s.b_span, shared.get(s.b, ())) for s in theirs):
            nodes = [node for s in theirs for node in _nodes(s, shared)]
            for other in nodes[1:]:
                sets.join(nodes[0], other)
            homes[pair] = nodes[0]
    found: dict[Any, set[frozenset[Id]]] = defaultdict(set)
    for pair, node in homes.items():
        found[sets.find(node)].add(pair)
    assets = [Asset(frozenset().union(*pairs), frozenset(pairs)) for pairs in found.values()]
    return sorted(assets, key=lambda a: (-len(a.videos), sorted(map(str, a.videos))))


def _nodes(segment: Shared[Id], shared: Mapping[Id, Sequence[Interval]]) -> list[tuple[Id, int]]:
    """(video, number of the shared interval) on each side that the segment touches most."""
    result = []
    for video, (start, end) in ((segment.a, segment.a_span), (segment.b, segment.b_span)):
        overlaps = [min(end, e) - max(start, s) for s, e in shared.get(video, ())]
        if overlaps and max(overlaps) >= 0:
            result.append((video, overlaps.index(max(overlaps))))
    return result
