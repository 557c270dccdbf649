from __future__ import annotations

import itertools
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.search.moments import Moment
from apps.search.ranking import MAX_MOMENTS, make_scale, rank_videos

A, B, C, D, E = (UUID(int=i) for i in range(1, 6))


def see(video, start, score, seconds=4.0):
    return Moment(video, start, start + seconds, ("visual",), cosine=score)


def read(video, start, end, score=0.5, source="subtitle"):
    return Moment(video, start, end, (source,), text_rank=score)


def test_pictures_alone_rank_by_their_best_clip():
    ranked = rank_videos([see(B, 0, 0.9), see(A, 8, 0.5), see(B, 20, 0.4)], [])
    assert list(ranked) == [B, A]
    assert [(m.rank, m.start, m.cosine) for m in ranked[B]] == [(1, 0, 0.9), (2, 20, 0.4)]


def test_a_video_found_by_picture_and_by_words_beats_the_first_of_each():
    ranked = rank_videos([see(A, 0, 0.9), see(B, 0, 0.8)], [read(C, 3, 5), read(B, 30, 33)])
    assert next(iter(ranked)) == B
    assert {m.matched[0] for m in ranked[B]} == {"visual", "subtitle"}


def test_many_clips_of_one_video_do_not_push_the_next_video_down():
    crowd = [see(A, 10 * i, 0.9 - i / 1000) for i in range(50)]
    ranked = rank_videos([*crowd, see(B, 0, 0.2)], [read(D, 0, 2), read(E, 0, 2), read(C, 0, 2)])
    assert list(ranked) == [D, A, E, B, C]  # B is second among the pictures, C third among the words


def test_overlapping_clips_give_one_moment_and_neighbours_give_two():
    (moments,) = rank_videos([see(A, 0, 0.9, 8), see(A, 6, 0.8, 8), see(A, 14, 0.7, 8), see(A, 8, 0.6, 6)], []).values()
    assert [(m.start, m.end) for m in moments] == [(0, 8), (14, 22), (8, 14)]


def test_a_cue_inside_a_clip_becomes_one_moment_matched_by_both():
    (moments,) = rank_videos([see(A, 0, 0.9), see(A, 4, 0.8)], [read(A, 5, 6)]).values()
    best = moments[0]
    assert (best.start, best.end) == (5, 6)  # the words say more exactly when
    assert set(best.matched) == {"visual", "subtitle"}
    assert best.cosine == 0.8
    assert best.text_rank == 0.5
    assert moments[1].matched == ("visual",)


def test_at_most_five_moments_a_video():
    (moments,) = rank_videos([see(A, 10 * i, 0.9 - i / 100) for i in range(20)], []).values()
    assert len(moments) == MAX_MOMENTS
    assert [m.start for m in moments] == [0, 10, 20, 30, 40]


def test_equal_hits_rank_the_same_whatever_their_order_of_insertion():
    visual, words = [see(A, 0, 0.5)], [read(C, 0, 2)]
    assert list(rank_videos(visual, words)) == [C, A]  # words first, both at place one


spans = st.tuples(st.sampled_from([A, B, C]), st.integers(0, 60), st.integers(1, 10))


@given(st.lists(spans, max_size=30), st.lists(spans, max_size=10))
def test_moments_never_overlap_and_every_hit_video_is_ranked_once(seen, read_spans):
    visual = [see(v, float(s), 1 - i / 100, float(n)) for i, (v, s, n) in enumerate(seen)]
    words = [read(v, float(s), float(s + n), 1 - i / 100) for i, (v, s, n) in enumerate(read_spans)]
    ranked = rank_videos(visual, words)
    assert set(ranked) == {hit.video_id for hit in [*visual, *words]}
    for moments in ranked.values():
        assert 1 <= len(moments) <= MAX_MOMENTS
        ordered = sorted(moments, key=lambda m: m.start)
        assert all(a.end <= b.start for a, b in itertools.pairwise(ordered))


def marked(scale, cosine=None, text_rank=None):
    moment = Moment(A, 0, 4, ("visual",), cosine, text_rank)
    scale.mark([moment])
    return moment


def test_the_bar_runs_from_a_typical_clip_to_the_best_and_the_line_lies_half_way():
    background = np.full(100, 0.1, np.float32)
    scale = make_scale(background, [see(A, 0, 0.5)], [])
    assert marked(scale, 0.5).relative == pytest.approx(1.0)
    assert marked(scale, 0.3).relative == pytest.approx(0.5)
    assert marked(scale, 0.0).relative == 0.0
    assert not marked(scale, 0.31).weak
    assert marked(scale, 0.29).weak


def test_in_a_library_that_shows_nothing_like_it_even_the_best_is_weak():
    background = np.linspace(0.0, 0.2, 200).astype(np.float32)
    scale = make_scale(background, [see(A, 0, 0.2)], [])
    assert marked(scale, 0.2).weak


def test_what_was_found_by_words_is_never_weak():
    scale = make_scale(np.full(50, 0.1, np.float32), [see(A, 0, 0.5)], [read(B, 0, 2, 0.8), read(C, 0, 2, 0.4)])
    assert not marked(scale, 0.01, 0.4).weak
    assert marked(scale, text_rank=0.8).relative == 1.0
    assert marked(scale, text_rank=0.4).relative == pytest.approx(0.5)
