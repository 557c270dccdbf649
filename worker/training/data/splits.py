"""Which items come from one source, and splits that never part them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from worker.training.data.items import Item

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
SEED = 0
LOW, HIGH = 0.5, 1.5  # a split whose size is within these shares of what was asked for stays as it is
FEW = 2  # and it gets at least so many items if it was to get them


def content_keys(items: Iterable[Item]) -> dict[Path, str]:
    """sha256 of the media files that might be copies: only files of equal size are read."""
    by_size: dict[int, set[Path]] = defaultdict(set)
    for item in items:
        for path in item.media:
            if path.is_file():
                by_size[path.stat().st_size].add(path)
    found: dict[Path, str] = {}
    for paths in by_size.values():
        for path in paths if len(paths) > 1 else ():
            with path.open("rb") as file:
                found[path] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def source_numbers(items: Sequence[Item], contents: Mapping[Path, str] | None = None) -> list[int]:
    """The number of each item's source, from 0 in order of appearance.

    Items are of one source when they share a group or a media file, also over other items. ``contents`` names files
    of the same content, as ``content_keys`` finds them.
    """
    parent = list(range(len(items)))

    def root(number: int) -> int:
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    owner: dict[tuple[str, str], int] = {}
    for number, item in enumerate(items):
        tokens = [("group", item.group)] if item.group else []
        tokens += [("file", str(path)) for path in item.media]
        tokens += [("content", contents[path]) for path in item.media if contents and path in contents]
        for token in tokens:
            parent[root(number)] = root(owner.setdefault(token, number))
    order: dict[int, int] = {}
    return [order.setdefault(root(number), len(order)) for number in range(len(items))]


def frozen_splits(items: Sequence[Item]) -> dict[str, list[Item]]:
    """The splits of every run on these items: two runs on one data set are measured on the same ones."""
    return split_items(items, shares=SHARES, seed=SEED, contents=content_keys(items))


def _place(name: str, seed: int) -> float:
    """A number in [0, 1) that depends on the name and the seed only."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:7], "big") / 2**56


def split_items(
    items: Sequence[Item], *, shares: dict[str, float], seed: int, contents: Mapping[Path, str] | None = None
) -> dict[str, list[Item]]:
    """Every source goes to one split as a whole, by a hash of its group's name (or of an id), never by its position.

    So an item keeps its split when others are added, whatever the order. Where chance leaves a split far from its
    share, as with few items or one big group, whole sources move until it is near. Shares must add up to 1.
    """
    if not shares or min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"the shares of the splits must be positive and add up to 1: {shares}")
    names = list(shares)
    numbers = source_numbers(items, contents)
    members: dict[int, list[Item]] = defaultdict(list)
    for item, number in zip(items, numbers, strict=True):
        members[number].append(item)
    places = np.array([_source_place(group, seed) for group in members.values()])
    sizes = np.array([len(group) for group in members.values()], np.int64)
    borders = np.cumsum([shares[name] for name in names])[:-1]
    chosen = np.searchsorted(borders, places, side="right") if len(places) else np.empty(0, np.int64)
    _balance(chosen, sizes, places, np.array([shares[name] for name in names]) * len(items))
    return {
        name: [item for item, number in zip(items, numbers, strict=True) if chosen[number] == place]
        for place, name in enumerate(names)
    }


def _source_place(members: Sequence[Item], seed: int) -> float:
    """By the groups' names where there are any: items that join a group never move it."""
    groups = {f"group {item.group}" for item in members if item.group}
    return min(_place(name, seed) for name in groups or {f"item {item.id}" for item in members})


def _balance(chosen: np.ndarray, sizes: np.ndarray, places: np.ndarray, wanted: np.ndarray) -> None:
    """Move sources, in place, from splits with too many items to those with too few, while one is out of bounds."""
    have = np.bincount(chosen, sizes, len(wanted)) if len(chosen) else np.zeros(len(wanted))
    low = np.maximum(LOW * wanted, np.minimum(np.round(wanted), FEW))
    high = np.maximum(HIGH * wanted, wanted + 1)
    while ((have < low) | (have > high)).any():
        best: tuple[float, float, int, int] | None = None
        for giver in np.flatnonzero(have > wanted):
            sources = np.flatnonzero(chosen == giver)
            for receiver in np.flatnonzero(have < wanted):
                if not len(sources) or (have[giver] <= high[giver] and have[receiver] >= low[receiver]):
                    continue
                surplus, need = have[giver] - wanted[giver], wanted[receiver] - have[receiver]
                gains = surplus + need - np.abs(surplus - sizes[sources]) - np.abs(need - sizes[sources])
                at = np.lexsort((places[sources], gains))[-1]
                move = (float(gains[at]), float(places[sources[at]]), int(sources[at]), int(receiver))
                if gains[at] > 1e-9 and (best is None or move > best):
                    best = move
        if best is None:
            return
        _, _, moved, taker = best
        have[chosen[moved]] -= sizes[moved]
        have[taker] += sizes[moved]
        chosen[moved] = taker
