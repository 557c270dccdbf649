"""Find copies of a library video and of a span of it; pictures and notes of answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.core.exceptions import InvalidInput
from apps.core.models import Job
from apps.core.timespan import parse_timecode
from apps.duplicates.lookups.asking import lookup_create, span_checked
from apps.duplicates.models import Lookup, MatrixPicture
from apps.embeddings.models import FrameEmbedding
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from tests.apps.duplicates.rows import make_version, make_video
from worker.tasks import lookup as task
from worker.tasks.lookup import note_of
from worker.types import Descriptors

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("job_in_this_transaction")]


@pytest.fixture
def ann(client):
    user = get_user_model().objects.create_user("ann")
    client.force_login(user)
    return user


@pytest.fixture
def stitched():
    """A video of 60 s whose first half comes from one source and whose second half from another."""
    version = make_version()
    one, two = random_frames(1, 40), random_frames(2, 40)
    whole = planted_video(version, "stitched", np.concatenate([edited(one[:30], 3), edited(two[10:], 4)]))
    return whole, planted_video(version, "first", one), planted_video(version, "second", two)


def answer_of(lookup: Lookup) -> Lookup:
    task.lookup(str(Job.objects.get(kind="lookup", subject_id=lookup.id).id))
    lookup.refresh_from_db()
    return lookup


def test_only_the_frames_of_the_span_ask_and_the_answer_is_in_the_time_of_the_video(stitched, ann, client):
    whole, _, second = stitched
    sent = {"video_id": str(whole.id), "start": 35, "end": 55.0}
    asked = client.post(reverse("api:lookups"), sent, content_type="application/json")
    assert asked.status_code == 201
    lookup = answer_of(Lookup.objects.get())
    body = client.get(asked["Location"]).json()

    assert [m["video"]["id"] for m in body["matches"]] == [str(second.id)]
    assert (body["span"], body["duration"]) == ([35.0, 55.0], 60.0)
    best = body["matches"][0]
    assert best["relation"] == "contained_in"
    assert best["verdict"].startswith("This span is a part of this one.")
    assert best["query_coverage"] > 0.9
    assert best["segments"][0]["query"] == pytest.approx([35, 55], abs=1.1)
    assert best["segments"][0]["reference"] == pytest.approx([15, 35], abs=1.1)
    page = client.get(reverse("duplicates:lookup", args=[lookup.id])).content.decode()
    assert "Only 0:35 to 0:55" in page


def test_the_whole_video_finds_both_sources(stitched, ann):
    whole, first, second = stitched
    lookup = answer_of(lookup_create(video_id=whole.id, owner=ann))
    assert {m["video"]["id"] for m in lookup.matches} == {str(first.id), str(second.id)}
    assert lookup.start_seconds is None


def test_one_end_is_enough_and_the_form_takes_timecodes(stitched, ann, client):
    whole, first, _ = stitched
    answer = client.post(reverse("duplicates:find"), {"video_id": str(whole.id), "start": "", "end": "0:20"})
    assert answer.status_code == 302
    lookup = Lookup.objects.get()
    assert (lookup.start_seconds, lookup.end_seconds) == (0.0, 20.0)
    assert [m["video"]["id"] for m in answer_of(lookup).matches] == [str(first.id)]


@pytest.mark.parametrize(
    ("start", "end", "field", "words"),
    [
        (-1, 5, "start", "0 seconds or later"),
        (math.nan, 5, "start", "0 seconds or later"),
        (60, 70, "start", "after the end"),
        (5, 5, "end", "after it starts"),
        (9, 5, "end", "after it starts"),
        (5, 62, "end", "after the end"),
        (5, math.inf, "end", "after the end"),
        (5, 6, "end", "at least 2 seconds"),
    ],
)
def test_bad_spans_are_refused_with_a_reason_that_names_the_field(start, end, field, words):
    with pytest.raises(InvalidInput, match=words) as refused:
        span_checked(start, end, 60.0)
    assert refused.value.field == field


def test_a_span_ends_with_the_video_and_a_short_video_may_be_asked_whole():
    assert span_checked(50, 60.9, 60.0) == (50.0, 60.0)
    assert span_checked(None, 10, 60.0) == (0.0, 10.0)
    assert span_checked(40, None, 60.0) == (40.0, 60.0)
    assert span_checked(0, 1.5, 1.5) == (0.0, 1.5)


def test_spans_of_nothing_and_words_instead_of_numbers_are_refused(stitched, ann, client):
    whole, *_ = stitched
    for sent in ({"start": "soon"}, {"end": [1]}, {"start": True}):
        body = {"video_id": str(whole.id), **sent}
        refused = client.post(reverse("api:lookups"), body, content_type="application/json")
        assert refused.status_code == 400, sent
    refused = client.post(reverse("api:lookups"), {"upload_id": str(whole.id), "start": 1}, "application/json")
    assert refused.status_code == 400
    page = client.post(reverse("duplicates:find"), {"video_id": str(whole.id), "start": "1:75"})
    assert page.status_code == 400
    assert "is not a time" in page.content.decode()
    assert not Lookup.objects.exists()


def test_timecodes_are_read_as_people_write_them():
    written = {"": None, " 75 ": 75.0, "75.5": 75.5, "1:15": 75.0, "1:01:15,5": 3675.5, "0:00": 0.0}
    assert {text: parse_timecode(text) for text in written} == written
    for bad in ("1:75", "-1", "1:2:3:4", "a", "1.5:00", ":", "1e3", "nan"):
        with pytest.raises(ValueError):
            parse_timecode(bad)


def test_the_picture_of_a_match_is_kept_with_the_lookup_and_shown_with_its_segments(stitched, ann, client):
    whole, _, second = stitched
    lookup = answer_of(lookup_create(video_id=whole.id, start=35, end=55, owner=ann))
    picture = MatrixPicture.objects.get()
    assert (picture.across_start, picture.across_end, picture.down_end) == (35.0, 55.0, 40.0)
    body = client.get(reverse("api:lookup", args=[lookup.id])).json()
    png = client.get(body["matches"][0]["picture_url"])
    assert (png["Content-Type"], png.content[:8]) == ("image/png", b"\x89PNG\r\n\x1a\n")
    address = reverse("duplicates:lookup_picture", args=[lookup.id, second.id])
    page = client.get(address).content.decode()
    assert 'role="img"' in page
    assert "1 found segment: 0:35 to 0:5" in page
    fragment = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in fragment
    client.force_login(get_user_model().objects.create_user("bob"))
    assert client.get(address).status_code == client.get(body["matches"][0]["picture_url"]).status_code == 404
    lookup.delete()
    assert not MatrixPicture.objects.exists()


def test_a_library_of_one_video_says_that_there_was_nothing_to_compare_with(ann, client):
    only = planted_video(make_version(), "only", random_frames(1, 20))
    lookup = answer_of(lookup_create(video_id=only.id, owner=ann))
    body = client.get(reverse("api:lookup", args=[lookup.id])).json()
    assert body["verdict"] == "The library has no other videos, so there was nothing to compare with."
    assert body["note"]["code"] == "library_alone"


def test_a_video_without_anything_to_recognise_says_so(ann, client):
    version = make_version()
    dark = planted_video(version, "dark", random_frames(1, 20))
    planted_video(version, "other", random_frames(2, 20))
    FrameEmbedding.objects.filter(video=dark).update(informative=False)
    lookup = answer_of(lookup_create(video_id=dark.id, owner=ann))
    body = client.get(reverse("api:lookup", args=[lookup.id])).json()
    assert body["verdict"] == "This video shows nothing that could be recognised."
    page = client.get(reverse("duplicates:lookup", args=[lookup.id])).content.decode()
    assert "black, plain or faded" in page


def test_a_still_picture_is_told_apart_from_footage(ann):
    version = make_version()
    still = planted_video(version, "still", np.tile(random_frames(1, 1), (20, 1)))
    moving = planted_video(version, "moving", random_frames(2, 20))
    assert answer_of(lookup_create(video_id=still.id, owner=ann)).note == "still"
    assert answer_of(lookup_create(video_id=moving.id, owner=ann)).note == ""


@pytest.mark.parametrize(("hours", "note"), [(0.5, ""), (1.0, ""), (3.0, "long")])
def test_only_a_very_long_query_is_answered_with_a_warning_that_short_spans_may_be_missed(hours, note):
    version = make_version()
    planted_video(version, "library", random_frames(1, 5))
    seconds = int(3600 * hours)
    query = Descriptors(
        vectors=random_frames(2, seconds),
        times=np.arange(seconds, dtype=float),
        informative=np.ones(seconds, bool),
        duration=float(seconds),
    )
    assert note_of(query, []) == note


def test_other_peoples_videos_that_are_not_ready_cannot_be_asked_by_span(ann, client):
    waiting = make_video()
    type(waiting).objects.filter(id=waiting.id).update(state="uploaded")
    sent = {"video_id": str(waiting.id), "start": 0, "end": 5}
    assert client.post(reverse("api:lookups"), sent, "application/json").status_code == 409
