from __future__ import annotations

import base64
import json
from datetime import date, timedelta

import pytest
from django.utils import timezone

from apps.core.exceptions import Expired, InvalidInput, NotFound, Unavailable
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from apps.search import retrieval
from apps.search.filters import SearchFilters
from apps.search.models import SearchSnapshot
from apps.search.searching import search_moments, search_similar
from apps.search.snapshots import cursor_make, ranking_of, snapshot_update, snapshots_purge
from apps.videos.models import Tag, Video
from tests.apps.embeddings.library import make_video, many_video_ids
from tests.apps.search.planted import plant, towards

pytestmark = pytest.mark.django_db


def titles(answer):
    return [result.video.title for result in answer.results]


def test_a_text_finds_the_moment_that_shows_it(version):
    plant(version, "holiday", [("car", 0.9), ("dog", 0.8), ("snow", 0.9)])
    plant(version, "street", [("car", 0.9)])
    answer = search_moments(text="dog", limit=10)
    assert titles(answer)[0] == "holiday"
    moment = answer.results[0].moments[0]
    assert (moment.start, moment.end, moment.matched) == (4.0, 8.0, ("visual",))
    assert moment.score == pytest.approx(0.8, abs=0.01)
    assert moment.relative == 1.0
    assert not moment.weak
    assert moment.play_url == f"/videos/{answer.results[0].video.id}?t=4"
    assert answer.results[1].weak
    assert (answer.index.searchable, answer.index.pending) == (2, 0)
    assert answer.index.model_version == str(version)


def test_titles_and_subtitles_are_found_with_their_spans(version):
    plant(version, "Quarterly meeting", [("snow", 0.9)])
    plant(version, "vlog", [("snow", 0.8)], subtitles=[(2.5, 6.0, "and here is the meeting room"), (9, 10, "bye")])
    answer = search_moments(text='"meeting"', limit=10)
    spans = {result.video.title: result.moments[0] for result in answer.results}
    assert set(spans) == {"Quarterly meeting", "vlog"}
    assert (spans["vlog"].start, spans["vlog"].end, spans["vlog"].matched) == (2.5, 6.0, ("subtitle",))
    assert (spans["Quarterly meeting"].start, spans["Quarterly meeting"].matched) == (0.0, ("title",))


def test_a_picture_and_a_cue_in_the_same_place_are_one_moment(version):
    plant(version, "walk", [("car", 0.9), ("dog", 0.9)], subtitles=[(5.0, 7.0, "look, a dog")])
    moment = search_moments(text="dog", limit=5).results[0].moments[0]
    assert set(moment.matched) == {"visual", "subtitle"}
    assert moment.score == pytest.approx(0.9, abs=0.01)


def test_the_start_of_a_title_is_found_while_it_is_typed(version):
    plant(None, "Mountain lake at dawn")
    assert titles(search_moments(text="mountain la", limit=5)) == ["Mountain lake at dawn"]


def test_excluded_words_remove_videos_whose_texts_hold_them(version):
    plant(version, "dog park", [("dog", 0.9)], subtitles=[(0, 1, "sponsored message")])
    plant(version, "dog home", [("dog", 0.8)])
    plant(version, "garden", [("dog", 0.7)], description="one dog, two cats")
    assert titles(search_moments(text="dog -cat -sponsored", limit=5)) == ["dog home"]


def test_quoted_text_must_occur_in_the_words_of_the_video(version):
    plant(version, "red dog", [("dog", 0.5)])
    plant(version, "dog", [("dog", 0.9)])
    assert titles(search_moments(text='dog "red"', limit=5)) == ["red dog"]


def test_only_ready_videos_answer(version):
    plant(version, "dog one", [("dog", 0.9)], state=Video.State.FAILED)
    plant(version, "dog two", [("dog", 0.9)], state=Video.State.PROBED)
    plant(version, "dog three", [("dog", 0.2)])
    answer = search_moments(text="dog", limit=5)
    assert titles(answer) == ["dog three"]
    assert answer.index.pending == 1
    assert any("still being indexed" in warning for warning in answer.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "dog " * 5_000,
        "x" * 10_000,
        "🐶",
        "一只狗在海滩上",
        "the of and",
        "\x00dog\x00",
        "%_\\",
        "';--",
        "\ud800",
        "a:*&|!(",
    ],
)
def test_odd_queries_get_an_answer(version, text):
    plant(version, "dog", [("dog", 0.9)])
    answer = search_moments(text=text, limit=5)
    assert answer.index.searchable == 1


def test_chinese_titles_are_found_by_a_part_of_them(version):
    plant(version, "一只狗在海滩上跑", [("dog", 0.1)])
    plant(version, "城市夜景", [("car", 0.9)])
    assert titles(search_moments(text='"海滩"', limit=5)) == ["一只狗在海滩上跑"]
    assert search_moments(text="海滩", limit=5).results[0].moments[0].matched[0] in {"title", "visual"}


def test_stop_words_alone_find_titles_that_hold_them_as_words(version):
    plant(None, "The Who")
    plant(None, "Other people")
    assert titles(search_moments(text="the", limit=5)) == ["The Who"]


@pytest.mark.parametrize("text", ["", "   ", "-dog", '""'])
def test_an_empty_query_finds_nothing_and_says_what_to_do(version, text):
    plant(version, "dog", [("dog", 0.9)])
    answer = search_moments(text=text, limit=5)
    assert answer.results == ()
    assert answer.warnings
    assert answer.next_cursor is None


def test_without_a_model_words_are_searched_and_a_warning_says_so(db):
    plant(None, "dog on a beach")
    answer = search_moments(text="dog", limit=5)
    assert titles(answer) == ["dog on a beach"]
    assert answer.index.model_version == ""
    assert any("No search model" in warning for warning in answer.warnings)


def test_a_broken_text_encoder_is_unavailable_unless_words_answer(version):
    plant(version, "walk", [("dog", 0.9)])
    ModelVersion.objects.update(folder="/nowhere")
    with pytest.raises(Unavailable):
        search_moments(text="dog", limit=5)
    answer = search_moments(text="walk", limit=5)
    assert titles(answer) == ["walk"]
    assert any("encoder" in warning for warning in answer.warnings)


def test_a_query_longer_than_the_model_reads_says_what_was_read(version):
    plant(version, "dog", [("dog", 0.9)])
    words = "dog beach car red night snow cat dog beach car"  # the tower of the tests reads eight
    warning = " ".join(search_moments(text=words, limit=5).warnings)
    assert "first 8 of 10 words" in warning
    assert "snow cat dog" in warning
    assert search_moments(text="dog beach car red night snow cat dog", limit=5).warnings == ()


def test_an_empty_library_says_so(version):
    assert "no searchable video" in " ".join(search_moments(text="dog", limit=5).warnings)


def _library(version, count):
    for i in range(count):
        plant(version, f"v{i:03}", [("dog", 0.95 - i / 1000), ("dog", 0.3)])


def _pages(limit, **first):
    answer = search_moments(limit=limit, **first)
    yield answer
    while answer.next_cursor:
        answer = search_moments(text="", limit=limit, cursor=answer.next_cursor)
        yield answer


def test_pages_reach_every_video_once_in_order_while_the_depth_grows(version, monkeypatch):
    monkeypatch.setattr(retrieval, "FIRST_DEPTH", 4)
    monkeypatch.setattr(retrieval, "CLIPS_PER_RESULT", 1)
    _library(version, 45)
    pages = list(_pages(10, text="dog"))
    assert [len(page.results) for page in pages] == [10, 10, 10, 10, 5]
    assert [title for page in pages for title in titles(page)] == [f"v{i:03}" for i in range(45)]
    assert [result.rank for page in pages for result in page.results] == list(range(1, 46))


def test_a_video_added_or_deleted_while_paging_repeats_and_skips_nothing(version, monkeypatch):
    monkeypatch.setattr(retrieval, "FIRST_DEPTH", 4)
    monkeypatch.setattr(retrieval, "CLIPS_PER_RESULT", 1)
    _library(version, 30)
    first = search_moments(text="dog", limit=10)
    plant(version, "new", [("dog", 0.99)])
    Video.objects.get(title="v010").delete()
    rest = []
    cursor = first.next_cursor
    while cursor:
        page = search_moments(text="dog", limit=10, cursor=cursor)
        rest += titles(page)
        cursor = page.next_cursor
    assert set(titles(first)) & set(rest) == set()
    assert [title for title in rest if title != "new"] == [f"v{i:03}" for i in range(11, 30)]


def test_a_cursor_that_is_forged_unknown_or_old_has_expired(version):
    _library(version, 5)
    cursor = search_moments(text="dog", limit=2).next_cursor
    with pytest.raises(Expired):
        search_moments(text="", limit=2, cursor=cursor[:-3] + "xyz")
    SearchSnapshot.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Expired):
        search_moments(text="", limit=2, cursor=cursor)
    assert snapshots_purge() == 1
    with pytest.raises(Expired):
        search_moments(text="", limit=2, cursor=cursor)


def test_a_cursor_beside_another_query_is_refused(version):
    _library(version, 5)
    cursor = search_moments(text="dog", limit=2).next_cursor
    with pytest.raises(InvalidInput, match="another query"):
        search_moments(text="car", limit=2, cursor=cursor)
    assert len(search_moments(text="dog", limit=2, cursor=cursor).results) == 2


def test_a_search_that_fits_one_page_keeps_no_snapshot(version):
    _library(version, 3)
    assert search_moments(text="dog", limit=20).next_cursor is None
    assert SearchSnapshot.objects.count() == 0


def test_rows_written_before_an_upgrade_are_read_after_it(version):
    """The stored form of a ranking is a contract for the hour that a row lives."""
    walk = plant(version, "walk", [("dog", 0.9)])
    question = {
        "text": "dog",
        "phrases": [],
        "excluded": [],
        "filters": {
            "min_duration": 1.0,
            "max_duration": None,
            "since": "2026-11-01",
            "until": None,
            "tags": [],
            "min_resolution": None,
            "source": "",
        },
        "version_id": str(version.id),
        "vector": base64.b64encode(towards("dog", 1.0).astype("<f2").tobytes()).decode(),
        "like": None,
    }
    row = SearchSnapshot.objects.create(
        parameters={"question": question, "scale": {"floor": 0.0, "line": 0.5, "top": 0.9, "top_words": 0.2}},
        ranking=[[str(walk.id), [[0.0, 4.0, ["visual", "title"], 0.9, 0.1], [4.0, 8.0, ["visual"], 0.45, None]]]],
        depth=200,
        complete=True,
        expires_at=timezone.now() + timedelta(minutes=1),
    )
    (result,) = search_moments(text="", limit=5, cursor=cursor_make(row, 0)).results
    best, second = result.moments
    assert (best.rank, best.matched, best.score, best.weak) == (1, ("visual", "title"), 0.9, False)
    assert (second.rank, second.start, second.relative, second.weak) == (2, 4.0, pytest.approx(0.5), True)
    ranking = ranking_of(row)
    snapshot_update(snapshot=row, ranking=ranking)
    assert json.loads(json.dumps(row.parameters["question"])) == question
    assert ranking.question.filters == SearchFilters(min_duration=1.0, since=date(2026, 11, 1))


def test_a_later_page_asks_the_model_that_the_first_page_asked(version):
    _library(version, 6)
    cursor = search_moments(text="dog", limit=2).next_cursor
    ModelVersion.objects.update(state="ready", folder="/nowhere")
    assert titles(search_moments(text="", limit=2, cursor=cursor)) == ["v002", "v003"]


def test_filters_give_full_pages_of_what_passes(version):
    _library(version, 40)
    tag = Tag.objects.create(name="keep")
    for video in Video.objects.filter(title__gte="v025"):
        video.tags.add(tag)
    pages = list(_pages(6, text="dog", filters=SearchFilters(tags=("Keep",))))
    assert [len(page.results) for page in pages] == [6, 6, 3]
    assert [title for page in pages for title in titles(page)] == [f"v{i:03}" for i in range(25, 40)]


def test_duration_date_and_resolution_filters_hold(version):
    short = plant(version, "short", [("dog", 0.9)], duration=10.0)
    plant(version, "long", [("dog", 0.8)], duration=100.0)
    Video.objects.filter(id=short.id).update(width=1920, height=1080)
    today = timezone.now().date()
    found = {
        "short": [SearchFilters(max_duration=10.0), SearchFilters(min_resolution=1080)],
        "long": [SearchFilters(min_duration=10.1), SearchFilters(min_duration=100.0, since=today)],
    }
    for title, many in found.items():
        for filters in many:
            assert titles(search_moments(text="dog", limit=5, filters=filters)) == [title]
    assert len(search_moments(text="dog", limit=5, filters=SearchFilters(since=today, until=today)).results) == 2


def test_when_nothing_passes_the_answer_names_the_filter_that_removes_most(version):
    _library(version, 4)
    tomorrow = timezone.now().date() + timedelta(days=1)
    answer = search_moments(text="dog", limit=5, filters=SearchFilters(since=tomorrow, min_duration=1.0))
    assert answer.results == ()
    assert answer.removed_by == {"since": 4, "min_duration": 0}
    assert "first day: 4 videos" in " ".join(answer.warnings)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_out_of_range_is_refused(version, limit):
    with pytest.raises(InvalidInput) as caught:
        search_moments(text="dog", limit=limit)
    assert caught.value.field == "limit"


def test_more_like_a_moment_finds_others_and_never_itself(version):
    source = plant(version, "source", [("car", 0.9), ("dog", 0.9)])
    plant(version, "other dog", [("snow", 0.9), ("dog", 0.85)])
    answer = search_similar(video_id=source.id, time_seconds=5.0, limit=5)
    assert titles(answer)[0] == "other dog"
    assert answer.results[0].moments[0].start == 4.0
    spans = {(r.video.id, m.start) for r in answer.results for m in r.moments}
    assert (source.id, 4.0) not in spans
    assert (source.id, 0.0) in spans
    with pytest.raises(NotFound):
        search_similar(video_id=version.id, time_seconds=0.0)


def test_a_video_without_clips_says_so_when_asked_for_more_like_it(version):
    bare = make_video("bare")
    with pytest.raises(Exception, match="is not indexed with the active model"):
        search_similar(video_id=bare.id, time_seconds=0.0)
    assert PgVectorIndex().count("clip", version.id) == 0


def test_paging_goes_on_beyond_a_thousand_results(version):
    ids = many_video_ids(1_050)
    ClipEmbedding.objects.bulk_create(
        ClipEmbedding(
            video_id=video_id,
            model_version=version,
            ordinal=0,
            start=0.0,
            end=4.0,
            embedding=towards("dog", 0.9 - i / 2_000).tolist(),
        )
        for i, video_id in enumerate(ids)
    )
    seen = [result.video.id for page in _pages(100, text="dog") for result in page.results]
    assert len(seen) == 1_050
    assert set(seen) == set(ids)
    assert seen[0] in ids[:3]
