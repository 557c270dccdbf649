from __future__ import annotations

import numpy as np
import pytest

from apps.core.jobs import JobKind, enqueue
from apps.core.models import Job
from apps.duplicates.groups.rebuild import groups_rebuild
from apps.duplicates.job_kinds import MATCH, SCAN
from apps.duplicates.models import DuplicateGroup, VideoMatch
from apps.duplicates.review.decisions import group_dismiss
from apps.embeddings.models import ModelVersion
from tests.apps.duplicates.planted import edited, planted_video, random_frames, store
from tests.apps.duplicates.rows import groups, ids, make_version
from worker.tasks import matching

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


def run_job(kind: JobKind, subject=None) -> Job:
    job = enqueue(kind=kind, subject_id=subject.id if subject else None)
    task = {MATCH: matching.match, SCAN: matching.scan}[kind]
    task(str(job.id))
    job.refresh_from_db()
    return job


def test_a_copied_span_is_found_with_both_time_ranges():
    version = make_version()
    source = random_frames(1, 40)
    original = planted_video(version, "original", source)
    stitched = np.concatenate([random_frames(2, 10), edited(source[15:30], 3), random_frames(4, 12)])
    query = planted_video(version, "stitched", stitched)
    for seed in range(5):
        planted_video(version, f"other {seed}", random_frames(100 + seed, 40))

    job = run_job(MATCH, query)

    assert job.state == "done"
    row = VideoMatch.objects.get()
    assert ids(row.a, row.b) == ids(original, query)
    assert row.relation == "shares_segments"
    segment = row.segments.get()
    spans = {row.a_id: (segment.a_start, segment.a_end), row.b_id: (segment.b_start, segment.b_end)}
    assert spans[query.id] == pytest.approx((10, 25), abs=1.1)
    assert spans[original.id] == pytest.approx((15, 30), abs=1.1)
    assert groups()[ids(original, query)].kind == "shares"


def test_a_span_of_some_seconds_is_found_in_a_query_of_twenty_minutes():
    version = make_version()
    source = random_frames(1, 30)
    original = planted_video(version, "original", source)
    for seed in range(5):
        planted_video(version, f"other {seed}", random_frames(100 + seed, 40))
    long = np.concatenate([random_frames(2, 700), edited(source[12:18], 3), random_frames(4, 500)])
    query = planted_video(version, "long", long)

    found = matching.match_video(query, version)

    assert [match.video.id for match in found] == [original.id]
    (segment,) = found[0].segments
    assert (segment.query_start, segment.query_end) == pytest.approx((700, 706), abs=1.1)


def test_unrelated_videos_make_no_match():
    version = make_version()
    videos = [planted_video(version, f"video {seed}", random_frames(seed, 60)) for seed in range(12)]
    for video in videos:
        run_job(MATCH, video)
    assert not VideoMatch.objects.exists()
    assert not DuplicateGroup.objects.exists()


def test_a_re_encoded_video_and_an_excerpt_get_their_relations():
    version = make_version()
    source = random_frames(1, 60)
    original = planted_video(version, "original", source)
    copy = planted_video(version, "copy", edited(source, 2))
    excerpt = planted_video(version, "excerpt", edited(source[20:35], 3))
    run_job(MATCH, copy)
    run_job(MATCH, excerpt)

    kinds = {members: group.kind for members, group in groups().items()}
    assert kinds == {ids(original, copy): "copies", ids(original, excerpt): "contains", ids(copy, excerpt): "contains"}
    row = VideoMatch.objects.get(a_id=min(original.id, excerpt.id), b_id=max(original.id, excerpt.id))
    assert row.relation == ("contains" if row.a_id == original.id else "contained_in")


def test_a_mirrored_copy_is_found_from_either_side():
    version = make_version()
    plain, flipped = random_frames(1, 30), random_frames(2, 30)
    original = planted_video(version, "original", plain, mirrored=flipped)
    mirrored = planted_video(version, "mirrored", edited(flipped, 3))  # has no file of mirrored descriptors
    run_job(MATCH, original)
    assert VideoMatch.objects.get().mirrored
    run_job(MATCH, mirrored)
    assert VideoMatch.objects.get().mirrored


def test_a_frame_without_information_never_votes():
    version = make_version()
    black = np.tile(random_frames(9, 1), (10, 1))
    one = planted_video(version, "one", np.concatenate([black, random_frames(1, 20)]))
    other = planted_video(version, "other", np.concatenate([black, random_frames(2, 20)]))
    from apps.embeddings.models import FrameEmbedding

    FrameEmbedding.objects.filter(video__in=[one, other], ordinal__lt=10).update(informative=False)
    run_job(MATCH, one)
    assert not VideoMatch.objects.exists()


def test_matching_twice_leaves_one_match_and_one_group():
    version = make_version()
    source = random_frames(1, 30)
    one, other = planted_video(version, "one", source), planted_video(version, "other", edited(source, 2))
    for video in (one, other, one):
        run_job(MATCH, video)
    assert VideoMatch.objects.count() == 1
    assert list(groups()) == [ids(one, other)]


def test_a_scan_goes_on_where_it_stopped(monkeypatch):
    version = make_version()
    source = random_frames(1, 30)
    videos = [planted_video(version, f"copy {n}", edited(source, n + 2)) for n in range(4)]
    seen = []
    real = matching.match_video

    def watched(video, *args, **kwargs):
        seen.append(video.id)
        return real(video, *args, **kwargs)

    monkeypatch.setattr(matching, "match_video", watched)
    monkeypatch.setattr(matching, "SLICE_SECONDS", 0.0)
    job = enqueue(kind=SCAN)
    for _ in range(6):
        matching.scan(str(job.id))
        job.refresh_from_db()
        if job.state == "done":
            break

    assert job.state == "done"
    assert sorted(seen) == sorted(v.id for v in videos)
    assert list(groups()) == [ids(*videos)]


def test_a_dismissed_pair_stays_away_after_a_full_scan_with_another_model():
    old = make_version()
    source = random_frames(1, 30)
    one, other = planted_video(old, "one", source), planted_video(old, "other", edited(source, 2))
    run_job(SCAN)
    group_dismiss(group_id=groups()[ids(one, other)].id, reviewer=None)

    ModelVersion.objects.filter(id=old.id).update(state=ModelVersion.State.READY)
    new, again = make_version(name="new"), random_frames(50, 30)
    store(new, one, again)
    store(new, other, edited(again, 51))
    run_job(SCAN)

    assert VideoMatch.objects.get().model_version == new
    assert {group.state for group in groups().values()} == {"dismissed"}
    assert groups_rebuild() == 0
