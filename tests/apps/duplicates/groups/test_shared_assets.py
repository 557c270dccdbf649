"""Shared assets: small libraries by hand, all small libraries by a naive oracle, properties of larger ones."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.duplicates.groups.shared_assets import Shared, families, lies_in, shared_assets, shared_spans, union

INTRO = (0.0, 10.0)


def joined(names: str, span: tuple[float, float] = INTRO) -> list[Shared[str]]:
    """Every pair of these videos shares the span, at the same place."""
    return [Shared(a, b, span, span) for a, b in combinations(names, 2)]


def test_an_intro_of_more_videos_than_allowed_is_an_asset_of_all_of_them() -> None:
    (asset,) = shared_assets(joined("abcd"), [], more_than=3)
    assert asset.videos == set("abcd")
    assert asset.pairs == {frozenset(p) for p in combinations("abcd", 2)}


def test_as_many_videos_as_allowed_make_no_asset() -> None:
    assert shared_assets(joined("abc"), [], more_than=3) == []
    assert shared_spans(joined("abc"), [], 3) == {}


def test_copies_of_one_video_make_no_asset_however_many_there_are() -> None:
    names = "abcdefgh"
    copies = list(combinations(names, 2))
    assert shared_assets(joined(names, (0.0, 60.0)), copies, more_than=2) == []


def test_an_excerpt_of_a_much_copied_film_is_not_an_advert() -> None:
    film = list(combinations("abcdef", 2))
    excerpts = [Shared(name, "x", (20.0, 30.0), INTRO) for name in "abcdef"]
    assert shared_assets([*joined("abcdef", (0.0, 60.0)), *excerpts], film, more_than=2) == []


def test_a_pair_that_shares_more_than_the_intro_stays_a_match() -> None:
    segments = [*joined("abcd"), Shared("a", "b", (30.0, 50.0), (40.0, 60.0))]
    (asset,) = shared_assets(segments, [], more_than=3)
    assert frozenset("ab") not in asset.pairs
    assert len(asset.pairs) == 5
    assert asset.videos == set("abcd")


def test_an_advert_at_another_place_in_each_video_is_one_asset() -> None:
    at = {name: (7.0 * n, 7.0 * n + 5) for n, name in enumerate("abcde")}
    segments = [Shared(a, b, at[a], at[b]) for a, b in combinations("abcde", 2)]
    (asset,) = shared_assets(segments, [], more_than=4)
    assert asset.videos == set("abcde")


def test_two_adverts_of_different_videos_are_two_assets_larger_first() -> None:
    found = shared_assets([*joined("wxyz"), *joined("abcde", (50.0, 60.0))], [], more_than=3)
    assert [sorted(asset.videos) for asset in found] == [list("abcde"), list("wxyz")]


def test_an_intro_that_the_matcher_did_not_find_everywhere_still_counts_from_the_side_that_knows() -> None:
    hub = [Shared("a", other, INTRO, INTRO) for other in "bcd"]
    (asset,) = shared_assets(hub, [], more_than=3)
    assert asset.pairs == {frozenset(("a", other)) for other in "bcd"}


def test_boundaries_may_stick_out_a_little_and_not_much() -> None:
    segments = [*joined("bcde"), *[Shared("a", n, (0.0, 10.9), (0.0, 10.9)) for n in "bcde"]]
    assert frozenset("ab") in shared_assets(segments, [], more_than=3)[0].pairs
    segments = [*joined("bcde"), Shared("a", "b", (0.0, 15.0), (0.0, 15.0))]
    assert all(frozenset("ab") not in asset.pairs for asset in shared_assets(segments, [], more_than=3))


def test_a_limit_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="more_than"):
        shared_assets([], [], more_than=1)


def test_lies_in_and_union_at_their_edges() -> None:
    assert union([(3, 4), (0, 1), (1, 2), (5, 5)]) == [(0, 2), (3, 4)]
    assert lies_in((0, 2), [(0, 2)])
    assert lies_in((1, 1), [(0, 2)])
    assert not lies_in((2, 2), [(0, 2)])
    assert not lies_in((2, 4), [(0, 2)])
    assert not lies_in((0, 4), [])


def naive(segments: list[Shared[int]], copies: list[tuple[int, int]], more_than: int) -> dict[int, set[int]]:
    """video -> whole seconds that more than ``more_than`` families have."""
    family = {v: v for s in segments for v in (s.a, s.b)}
    family |= {v: v for pair in copies for v in pair}
    for _ in range(len(family)):
        for a, b in copies:
            low = min(family[a], family[b])
            family[a] = family[b] = low
    crowd: dict[tuple[int, int], set[int]] = {}
    for s in segments:
        if family[s.a] == family[s.b]:
            continue
        for video, span, other in ((s.a, s.a_span, s.b), (s.b, s.b_span, s.a)):
            for second in range(int(span[0]), int(span[1])):
                crowd.setdefault((video, second), set()).add(family[other])
    seconds: dict[int, set[int]] = {}
    for (video, second), others in crowd.items():
        if len(others) + 1 > more_than:
            seconds.setdefault(video, set()).add(second)
    return seconds


def as_seconds(spans: dict[int, list[tuple[float, float]]]) -> dict[int, set[int]]:
    return {v: {t for start, end in found for t in range(int(start), int(end))} for v, found in spans.items()}


def test_every_library_of_four_videos_agrees_with_counting_second_by_second() -> None:
    pairs = list(combinations(range(4), 2))
    for states in product(("none", "match", "copy"), repeat=len(pairs)):
        segments, copies = [], []
        for number, (pair, state) in enumerate(zip(pairs, states, strict=True)):
            span = (0.0, 2.0) if number % 2 else (1.0, 3.0)
            if state != "none":
                segments.append(Shared(*pair, span, span))
            if state == "copy":
                copies.append(pair)
        for more_than in (2, 3):
            found = shared_spans(segments, copies, more_than)
            assert as_seconds(found) == naive(segments, copies, more_than), (states, more_than)
            assets = shared_assets(segments, copies, more_than=more_than)
            told = [pair for asset in assets for pair in asset.pairs]
            assert len(told) == len(set(told))
            assert not set(told) & {frozenset(c) for c in copies}


spans = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda s: (float(s[0]), float(s[0] + s[1])))
libraries = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), spans, spans).filter(lambda r: r[0] != r[1]), max_size=40
)


@given(
    libraries, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4), st.integers(2, 4), st.randoms()
)
def test_larger_libraries_agree_too_and_order_means_nothing(rows, copies, more_than, random) -> None:
    segments = [Shared(*row) for row in rows]
    found = shared_spans(segments, copies, more_than)
    assert as_seconds(found) == naive(segments, copies, more_than)
    assets = shared_assets(segments, copies, more_than=more_than)
    turned = [Shared(s.b, s.a, s.b_span, s.a_span) for s in segments]
    random.shuffle(turned)
    assert {a.pairs for a in shared_assets(turned, copies[::-1], more_than=more_than)} == {a.pairs for a in assets}
    for asset in assets:
        assert asset.videos == frozenset().union(*asset.pairs)


def test_families_are_components_of_copies() -> None:
    found = families([("a", "b"), ("c", "b"), ("x", "y")])
    assert found["a"] == found["b"] == found["c"] != found["x"] == found["y"]
    assert "z" not in found
