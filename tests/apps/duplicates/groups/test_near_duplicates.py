"""Duplicate groups: every graph of up to four videos exhaustively, larger ones by properties."""

from __future__ import annotations

import math
from itertools import combinations, product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.duplicates.groups.near_duplicates import Edge, Group, group_pairs


def edges(text: str, score: float = 0.9) -> list[Edge[str]]:
    return [Edge(pair[0], pair[1], score) for pair in text.split()]


def members(groups: list[Group[str]]) -> list[str]:
    return ["".join(group.members) for group in groups]


def assert_sound(groups: list[Group[int]], given_edges: list[Edge[int]], dismissed: set[frozenset[int]]) -> None:
    known = {e.pair for e in given_edges} - dismissed
    taken = [m for g in groups for m in g.members]
    assert len(taken) == len(set(taken))
    for group in groups:
        assert len(group.members) >= 2
        inside = {frozenset(p) for p in combinations(group.members, 2)}
        assert not inside & dismissed
        assert {e.pair for e in group.edges} == inside & known
        assert group.weakest_edge.score == min(e.score for e in group.edges)
        for member in group.members:
            matched = sum(member in e.pair for e in group.edges)
            assert 2 * matched >= len(group.members) - 1


def test_two_copies_are_a_group_and_a_triangle_is_one() -> None:
    assert members(group_pairs(edges("ab"))) == ["ab"]
    assert members(group_pairs(edges("ab bc ca"))) == ["abc"]


def test_a_chain_of_look_alikes_does_not_become_one_group() -> None:
    found = group_pairs(edges("ab bc cd de ef fg gh"))
    assert max(len(g.members) for g in found) <= 3
    assert len(found) >= 2


def test_a_bridge_between_two_families_is_cut() -> None:
    families = edges("ab ac ad bc bd cd") + edges("wx wy wz xy xz yz") + edges("dw", 0.99)
    assert members(group_pairs(families)) == ["abcd", "wxyz"]


def test_a_member_that_matches_one_of_four_leaves() -> None:
    assert members(group_pairs(edges("ab ac ad bc bd cd ae"))) == ["abcd"]


def test_a_dismissed_pair_is_no_group_and_does_not_return_through_a_third_video() -> None:
    assert group_pairs(edges("ab"), [("b", "a")]) == []
    found = group_pairs([*edges("ab ac"), Edge("b", "c", 0.8)], [("a", "b")])
    assert members(found) == ["ac"]


def test_the_weakest_true_pair_is_named() -> None:
    found = group_pairs([Edge("a", "b", 0.9), Edge("b", "c", 0.6), Edge("a", "c", 0.8)])
    assert found[0].weakest_edge == Edge("b", "c", 0.6)
    assert [e.score for e in found[0].edges] == [0.9, 0.8, 0.6]


def test_of_several_matches_of_one_pair_the_best_counts() -> None:
    (found,) = group_pairs([Edge("a", "b", 0.5), Edge("b", "a", 0.7), Edge("a", "b", 0.6)])
    assert found.edges == (Edge("b", "a", 0.7),)


def test_a_video_is_no_duplicate_of_itself_and_nan_is_refused() -> None:
    assert group_pairs([Edge("a", "a", 1.0)]) == []
    with pytest.raises(ValueError, match="no number"):
        group_pairs([Edge("a", "b", math.nan)])


def test_larger_groups_come_first_and_numbers_sort_by_value() -> None:
    found = group_pairs([Edge(2, 10, 0.9), Edge(3, 4, 0.9), Edge(4, 5, 0.9), Edge(3, 5, 0.9)])
    assert [g.members for g in found] == [(3, 4, 5), (2, 10)]


def test_every_graph_of_four_videos_with_every_dismissal() -> None:
    pairs = list(combinations(range(4), 2))
    for states in product(("none", "match", "dismissed"), repeat=len(pairs)):
        given_edges = [Edge(a, b, 0.5 + 0.05 * k) for k, (a, b) in enumerate(pairs) if states[k] != "none"]
        dismissed = [pair for k, pair in enumerate(pairs) if states[k] == "dismissed"]
        groups = group_pairs(given_edges, dismissed)
        assert_sound(groups, given_edges, {frozenset(p) for p in dismissed})
        if any(state == "match" for state in states):
            assert groups, states


graphs = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14), st.integers(0, 5)), max_size=50)


@settings(deadline=None)  # machines under load are no failure
@given(graphs, st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=8), st.randoms())
def test_groups_are_sound_and_do_not_depend_on_the_order_of_the_pairs(
    rows: list[tuple[int, int, int]], dismissed: list[tuple[int, int]], random: Random
) -> None:
    given_edges = list({frozenset((a, b)): Edge(a, b, s / 5) for a, b, s in rows if a != b}.values())
    groups = group_pairs(given_edges, dismissed)
    assert_sound(groups, given_edges, {frozenset(p) for p in dismissed})
    shuffled = list(given_edges)
    random.shuffle(shuffled)
    assert group_pairs(shuffled, dismissed[::-1]) == groups


@settings(deadline=None)  # machines under load are no failure
@given(st.integers(2, 8))
def test_a_full_family_stays_whole(size: int) -> None:
    (found,) = group_pairs([Edge(a, b, 0.9) for a, b in combinations(range(size), 2)])
    assert found.members == tuple(range(size))
