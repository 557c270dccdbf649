from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection

from apps.duplicates.groups.matches import matches_replace
from apps.duplicates.models import MatchedSegment, VideoMatch
from tests.apps.duplicates.rows import found, make_version, make_video, span


@pytest.fixture
def pair(db):
    """Two videos, the one with the smaller id first."""
    return sorted([make_video("one"), make_video("other")], key=lambda v: v.id)


def test_a_pair_is_stored_with_the_smaller_id_first_and_spans_swapped_as_needed(pair):
    a, b = pair
    version = make_version()
    seen_from_b = found(
        a, "contained_in", 0.8, query_coverage=1.0, reference_coverage=0.4, segments=[span((1, 5), (11, 15), 0.8)]
    )

    matches_replace(video_id=b.id, model_version_id=version.id, found=[seen_from_b])

    row = VideoMatch.objects.get()
    assert (row.a_id, row.b_id, row.relation) == (a.id, b.id, "contains")
    assert (row.a_coverage, row.b_coverage) == (0.4, 1.0)
    segment = row.segments.get()
    assert (segment.a_start, segment.a_end, segment.b_start, segment.b_end) == (11, 15, 1, 5)


def test_both_directions_of_a_pair_end_in_one_row(pair):
    a, b = pair
    version = make_version()
    matches_replace(video_id=a.id, model_version_id=version.id, found=[found(b, "contains")])
    matches_replace(video_id=b.id, model_version_id=version.id, found=[found(a, "contained_in")])

    row = VideoMatch.objects.get()
    assert row.relation == "contains"
    assert MatchedSegment.objects.count() == 1


def test_replacing_twice_changes_nothing_and_matches_that_are_gone_are_removed(pair):
    a, b = pair
    version, third = make_version(), make_video("third")
    for _ in range(2):
        matches_replace(video_id=a.id, model_version_id=version.id, found=[found(b), found(third)])
    assert VideoMatch.objects.count() == 2

    matches_replace(video_id=a.id, model_version_id=version.id, found=[found(third)])
    assert set(VideoMatch.objects.values_list("a_id", "b_id")) == {tuple(sorted([a.id, third.id]))}


def test_matches_of_another_model_version_stay(pair):
    a, b = pair
    old, new = make_version("ready", name="old"), make_version()
    matches_replace(video_id=a.id, model_version_id=old.id, found=[found(b)])
    matches_replace(video_id=a.id, model_version_id=new.id, found=[])
    assert VideoMatch.objects.get().model_version == old


def test_a_video_does_not_match_itself_and_deleted_videos_are_left_out(pair):
    a, b = pair
    ghost = found(b)
    ghost = type(ghost)(**{**{f: getattr(ghost, f) for f in ghost.__dataclass_fields__}, "video_id": uuid4()})
    stored = matches_replace(video_id=a.id, model_version_id=make_version().id, found=[found(a), ghost, found(b)])
    assert stored == 1
    assert VideoMatch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_videos_that_find_each_other_at_the_same_time_make_one_match():
    a, b = make_video("a"), make_video("b")
    version, barrier, errors = make_version(), threading.Barrier(2), []

    def store(video, other):
        try:
            barrier.wait(timeout=10)
            for _ in range(5):
                matches_replace(video_id=video.id, model_version_id=version.id, found=[found(other)])
        except DatabaseError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=store, args=pair) for pair in ((a, b), (b, a))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert VideoMatch.objects.count() == 1
    assert MatchedSegment.objects.count() == 1
