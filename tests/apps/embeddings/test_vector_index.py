"""One conformance suite for every VectorIndex, and what only the Postgres one must show."""

from __future__ import annotations

from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection, transaction

from apps.embeddings import vector_index
from apps.embeddings.knn import TABLES, Plan, condition, local_settings
from apps.embeddings.rows import query_matrix
from apps.embeddings.vector_index import PgVectorIndex, index_name
from tests.apps.embeddings.library import (
    clip_rows,
    directions,
    frame_rows,
    make_version,
    make_video,
    many_video_ids,
)
from tests.apps.embeddings.memory_index import MemoryVectorIndex

pytestmark = pytest.mark.django_db


def explained(kind, version_id, vector, k):
    """The plan of an approximate search, as EXPLAIN prints it."""
    where, filters = condition(kind, version_id, None, ())
    plan = Plan(TABLES[kind], where, filters, len(vector), k)
    with transaction.atomic(), local_settings(plan.index_settings(filtered=False)), connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + plan.index_statement(), plan.index_parameters(query_matrix(vector[None])[0]))
        return "\n".join(line for (line,) in cursor.fetchall())


@pytest.fixture(params=[PgVectorIndex, MemoryVectorIndex], ids=["postgres", "memory"])
def index(request):
    return request.param()


@pytest.fixture
def version() -> UUID:
    return make_version().id


def test_the_nearest_clip_comes_first_with_its_span_and_cosine(index, version):
    video, other = make_video().id, make_video().id
    vectors = directions(6)
    index.upsert("clip", video, version, clip_rows(vectors[:3]))
    index.upsert("clip", other, version, clip_rows(vectors[3:]))
    (hits,) = index.search("clip", version, vectors[1:2], 4)
    assert len(hits) == 4
    assert (hits[0].video_id, hits[0].ordinal, hits[0].start, hits[0].end) == (video, 1, 4.0, 8.0)
    assert hits[0].score == pytest.approx(1.0, abs=2e-3)
    expected = sorted((vectors @ vectors[1]).tolist(), reverse=True)[:4]
    assert [hit.score for hit in hits] == pytest.approx(expected, abs=4e-3)


def test_every_query_gets_its_own_answer_in_order(index, version):
    video = make_video().id
    vectors = directions(5)
    index.upsert("clip", video, version, clip_rows(vectors))
    answers = index.search("clip", version, vectors[[4, 0, 2]], 1)
    assert [answer[0].ordinal for answer in answers] == [4, 0, 2]


def test_upsert_replaces_all_rows_of_the_video_and_version_only(index, version):
    other_version = make_version(state="ready").id
    video = make_video().id
    index.upsert("clip", video, version, clip_rows(directions(5)))
    index.upsert("clip", video, other_version, clip_rows(directions(4)))
    index.upsert("clip", video, version, clip_rows(directions(2, seed=1)))
    assert index.count("clip", version) == 2
    assert index.count("clip", other_version) == 4
    index.upsert("clip", video, version, [])
    assert index.count("clip", version) == 0


def test_versions_are_never_mixed(index, version):
    other_version = make_version(state="ready", dim=8).id
    video = make_video().id
    index.upsert("clip", video, version, clip_rows(directions(3)))
    index.upsert("clip", video, other_version, clip_rows(directions(7, dim=8)))
    assert len(index.search("clip", version, directions(1), 50)[0]) == 3
    assert len(index.search("clip", other_version, directions(1, dim=8), 50)[0]) == 7


def test_a_filter_and_an_exclusion_hold(index, version):
    videos = [make_video().id for _ in range(4)]
    vectors = directions(12)
    for place, video in enumerate(videos):
        index.upsert("clip", video, version, clip_rows(vectors[3 * place : 3 * place + 3]))
    (only,) = index.search("clip", version, vectors[:1], 50, video_ids=[videos[2]])
    assert [hit.video_id for hit in only] == [videos[2]] * 3
    (without,) = index.search("clip", version, vectors[:1], 50, exclude={videos[0]})
    assert {hit.video_id for hit in without} == set(videos[1:])
    assert index.search("clip", version, vectors[:1], 50, video_ids=[]) == [[]]


def test_equal_scores_are_ordered_by_video_and_ordinal(index, version):
    vector = directions(1)
    videos = sorted(make_video().id for _ in range(5))
    for video in reversed(videos):
        index.upsert("clip", video, version, clip_rows(np.repeat(vector, 2, axis=0)))
    (hits,) = index.search("clip", version, vector, 10)
    assert [(hit.video_id, hit.ordinal) for hit in hits] == [(video, i) for video in videos for i in range(2)]


def test_frames_that_are_not_informative_never_answer(index, version):
    plain, black = make_video().id, make_video().id
    vectors = directions(4)
    index.upsert("frame", plain, version, frame_rows(vectors[:2]))
    index.upsert("frame", black, version, frame_rows(vectors[2:], informative=False))
    (hits,) = index.search("frame", version, vectors[3:], 10)
    assert {hit.video_id for hit in hits} == {plain}
    assert all(hit.start == hit.end for hit in hits)
    stored = index.frames_of(version, black)
    assert stored.times.tolist() == [0.0, 1.0]
    assert stored.informative.tolist() == [False, False]
    assert stored.vectors == pytest.approx(vectors[2:], abs=2e-3)


def test_regions_of_frames_are_found_and_come_back_apart_from_the_whole_frames(index, version):
    video = make_video().id
    vectors = directions(3)
    rows = [*frame_rows(vectors[:2]), (2, 1.0, True, vectors[2], 1)]
    index.upsert("frame", video, version, rows)
    (hits,) = index.search("frame", version, vectors[2:], 1)
    assert (hits[0].video_id, hits[0].start) == (video, 1.0)
    stored = index.frames_of(version, video)
    assert stored.region.tolist() == [0, 0, 1]
    assert stored.of_region(0).vectors == pytest.approx(vectors[:2], abs=2e-3)
    assert stored.of_region(1).times.tolist() == [1.0]
    assert len(index.frames_of(version, make_video().id).of_region(0).times) == 0


def test_clips_of_a_video_come_back_in_order(index, version):
    video = make_video().id
    vectors = directions(3)
    index.upsert("clip", video, version, list(reversed(clip_rows(vectors))))
    spans, stored = index.clips_of(version, video)
    assert spans.tolist() == [[0.0, 4.0], [4.0, 8.0], [8.0, 12.0]]
    assert stored == pytest.approx(vectors, abs=2e-3)
    assert index.clips_of(version, uuid4())[0].shape == (0, 2)


def test_deleting_a_video_removes_both_kinds(index, version):
    video, other = make_video().id, make_video().id
    for target in (video, other):
        index.upsert("clip", target, version, clip_rows(directions(2)))
        index.upsert("frame", target, version, frame_rows(directions(2)))
    index.delete_video(video)
    assert index.count("clip", version) == 2
    assert index.count("frame", version) == 2


def test_a_sample_holds_stored_vectors(index, version):
    vectors = directions(40)
    index.upsert("clip", make_video().id, version, clip_rows(vectors))
    picked = index.sample("clip", version, 100)
    assert picked.shape == (40, 16)
    assert np.linalg.norm(picked, axis=1) == pytest.approx(np.ones(40), abs=5e-3)
    assert index.sample("clip", uuid4(), 10).shape[0] == 0


@pytest.mark.parametrize("bad", [np.zeros(16), np.full(16, np.nan), np.ones(16)])
def test_a_vector_without_unit_norm_is_refused_and_leaves_the_old_rows(index, version, bad):
    video = make_video().id
    index.upsert("clip", video, version, clip_rows(directions(3)))
    with pytest.raises(ValueError, match="unit norm"):
        index.upsert("clip", video, version, [(0, 0.0, 1.0, bad.astype(np.float32))])
    assert index.count("clip", version) == 3


def _fill(version: UUID, videos: int, clips: int, dim: int = 16):
    ids = many_video_ids(videos)
    vectors = directions(videos * clips, dim=dim, seed=3)
    pg, oracle = PgVectorIndex(), MemoryVectorIndex()
    for place, video in enumerate(ids):
        rows = clip_rows(vectors[place * clips : (place + 1) * clips])
        pg.upsert("clip", video, version, rows)
        oracle.upsert("clip", video, version, rows)
    pg.ensure_index("clip", version, dim)
    return ids, pg, oracle


def test_the_index_of_the_version_is_used_and_agrees_with_the_oracle(version):
    ids, pg, oracle = _fill(version, videos=60, clips=25)
    queries = directions(10, seed=9)
    assert index_name("clip", version) in explained("clip", version, queries[0], 20)
    found = pg.search("clip", version, queries, 20, exactness="approximate")
    truth = oracle.search("clip", version, queries, 20)
    shared = sum(
        len({(h.video_id, h.ordinal) for h in a} & {(h.video_id, h.ordinal) for h in b})
        for a, b in zip(found, truth, strict=True)
    )
    assert shared >= 0.95 * 200


def test_a_narrow_filter_and_a_deep_page_return_full_answers_through_the_index(version, monkeypatch):
    monkeypatch.setattr(vector_index, "EXACT_ROWS", 5)
    ids, pg, oracle = _fill(version, videos=60, clips=25)
    query = directions(1, seed=11)
    (deep,) = pg.search("clip", version, query, 1_400)
    assert len({(hit.video_id, hit.ordinal) for hit in deep}) == 1_400
    (narrow,) = pg.search("clip", version, query, 40, video_ids=ids[:2])
    assert len(narrow) == 40
    (truth,) = oracle.search("clip", version, query, 40, video_ids=ids[:2])
    assert [(h.video_id, h.ordinal) for h in narrow] == [(h.video_id, h.ordinal) for h in truth]
    (all_but,) = pg.search("clip", version, query, 1_500, exclude=ids[:50])
    assert len(all_but) == 250


def test_a_search_leaves_the_planner_settings_of_the_callers_transaction_alone(version):
    pg = PgVectorIndex()
    pg.upsert("clip", make_video().id, version, clip_rows(directions(3)))
    with transaction.atomic():
        pg.search("clip", version, directions(1), 2, exactness="approximate")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('enable_sort'), current_setting('hnsw.ef_search')")
            assert cursor.fetchone() == ("on", "40")


def test_upsert_belongs_to_the_callers_transaction(version):
    pg, video = PgVectorIndex(), make_video().id
    with transaction.atomic():
        pg.upsert("clip", video, version, clip_rows(directions(3)))
        assert pg.count("clip", version) == 3
        transaction.set_rollback(True)
    assert pg.count("clip", version) == 0


def test_ensuring_an_index_twice_builds_it_once_and_dropping_removes_it(version):
    pg = PgVectorIndex()
    for _ in range(2):
        pg.ensure_index("frame", version, 16)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = %s", [index_name("frame", version)])
        assert cursor.fetchone() == (1,)
        pg.drop_index("frame", version)
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = %s", [index_name("frame", version)])
        assert cursor.fetchone() == (0,)


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_the_index_is_built_concurrently():
    version = make_version().id
    pg = PgVectorIndex()
    pg.upsert("clip", make_video().id, version, clip_rows(directions(30)))
    pg.ensure_index("clip", version, 16)
    assert index_name("clip", version) in explained("clip", version, directions(1)[0], 5)
    pg.drop_index("clip", version)
