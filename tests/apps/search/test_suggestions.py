"""Typing errors: another spelling is suggested from words of videos that can be found, and it finds something."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.search.filters import NO_FILTERS, SearchFilters
from apps.search.models import Vocabulary, VocabularyWord
from apps.search.searching import search_moments
from apps.search.suggestions import did_you_mean
from apps.search.vocabulary import vocabulary_keep, vocabulary_read
from apps.videos.models import TextSegment, Video
from tests.apps.search.planted import plant

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_SEARCH = True


def meant(text: str, filters: SearchFilters = NO_FILTERS) -> str:
    return did_you_mean(text, None, filters)


@pytest.mark.parametrize(
    ("title", "typed", "suggested"),
    [
        ("lighthouse keeper", "lihgthouse", "lighthouse"),
        ("lighthouse keeper", "lighthouse kepeer", "lighthouse keeper"),
        ("lighthouse keeper", "Lihgthouse, keepr!", "lighthouse, keeper!"),
        ("lighthouse keeper", '"lighthouse kepeer"', '"lighthouse keeper"'),
        ("lighthouse keeper", "keepr -strom", "keeper -strom"),  # what is excluded is not looked at
        ("Café Übung", "ubungg", "übung"),
        ("Café Übung", "Übnug", "übung"),
        ("Кошки гуляют", "кошик гуляют", "кошки гуляют"),
        ("Η γάτα μου", "γάτσα", "γάτα"),
        ("رحلة طويلة", "طولية", "طويلة"),
        ("GOPR0123", "gorp0123", "gopr0123"),
        ("GOPR 0123", "gorp0123", "gopr0123"),
        ("big elephant", "bigelephant", "big elephant"),
        ("don't panic", "dotn panic", "dont panic"),
        ("walrus", "zebra", ""),
        ("walrus", "wa", ""),
        ("walrus 1234", "1235", ""),
        ("walrus", "walrus", ""),
    ],
)
def test_the_nearest_spelling_is_suggested(title: str, typed: str, suggested: str) -> None:
    plant(None, title)
    assert meant(typed) == suggested


def test_words_that_videos_have_stay_as_they_are() -> None:
    plant(None, "barking dog")
    plant(None, "barkeng")  # nearer to the word that is spelled right
    assert meant("barking dgo") == "barking dog"


def test_the_more_frequent_of_two_words_that_are_equally_near() -> None:
    plant(None, "a cat")
    for _ in range(20):
        plant(None, "a car")
    assert meant("caa") == "car"


def test_what_cannot_be_found_is_not_suggested() -> None:
    video = plant(None, "secret walrus")
    plant(None, "dog")
    assert meant("wallrus") == "walrus"
    Video.objects.filter(id=video.id).update(state=Video.State.PROBED)
    assert meant("wallrus") == ""
    Video.objects.filter(id=video.id).update(state=Video.State.READY)
    assert meant("wallrus", SearchFilters(min_duration=3600.0)) == ""
    assert meant("wallrus -secret") == ""  # it would find nothing
    video.delete()
    assert meant("wallrus") == ""


def test_two_words_that_no_video_has_together_are_no_suggestion_without_pictures() -> None:
    plant(None, "walrus")
    plant(None, "lighthouse")
    assert meant("wallrus lighthousee") == ""


def test_new_words_are_known_at_once_and_old_ones_forgotten_after_a_day() -> None:
    plant(None, "walrus")
    assert meant("wallrus") == "walrus"
    video = plant(None, "zeppelin")
    assert meant("zepelin") == "zeppelin"
    assert Vocabulary.objects.get().read_until == TextSegment.objects.latest("id").id
    vocabulary_keep()
    video.delete()
    vocabulary_keep()
    assert VocabularyWord.objects.filter(word="zeppelin").exists()
    Vocabulary.objects.update(cleaned_at=timezone.now() - timedelta(days=2))
    vocabulary_keep()
    assert set(VocabularyWord.objects.values_list("word", flat=True)) == {"walrus"}


def test_reading_goes_on_where_it_stopped_and_takes_neither_stems_nor_following_cues() -> None:
    plant(None, "running dogs", subtitles=[(float(n), n + 1.0, f"numbered{n} word") for n in range(5)])
    first = TextSegment.objects.earliest("id").id
    Vocabulary.objects.create(pk=Vocabulary.ONLY, read_until=first - 1)
    assert [vocabulary_read(rows=3), vocabulary_read(rows=3)] == [False, True]
    expected = {"running", "dogs", "word", *(f"numbered{n}" for n in range(5))}
    assert set(VocabularyWord.objects.values_list("word", flat=True)) == expected


def test_a_search_suggests_only_when_its_words_are_nowhere(version) -> None:
    plant(version, "walrus", [("dog", 0.9)])
    assert search_moments(text="wallrus").suggestions == ("walrus",)
    assert search_moments(text="walrus").suggestions == ()
    assert search_moments(text="").suggestions == search_moments(text="xyzzyplugh").suggestions == ()


def test_a_correction_that_only_pictures_answer_is_suggested(version) -> None:
    for number in range(30):
        plant(version, f"v{number}", [("car", 0.1)])
    plant(version, "dog", [("car", 0.1)])
    plant(version, "show", [("dog", 0.95)])
    assert search_moments(text="dgo shwo").suggestions == ("dog show",)


def test_page_api_and_command_show_it(client, version) -> None:
    plant(version, "café walrus", [("car", 0.1)])
    page = client.get("/?q=wallrus&min_duration=1").content.decode()
    assert page.count("Did you mean") == 1 and '<a href="/?q=walrus&amp;min_duration=1">walrus</a>' in page
    assert client.get("/api/v1/search?q=wallrus").json()["suggestions"] == ["walrus"]
    out = StringIO()
    call_command("search", "cafe wallrus", stdout=out)
    assert "Did you mean: cafe walrus" in out.getvalue()
    assert "Did you mean" not in client.get("/?q=walrus").content.decode()


def test_a_suggestion_is_escaped(client, version) -> None:
    plant(version, "walrus", [("car", 0.1)])
    page = client.get("/", {"q": "wallrus <script>"}).content.decode()
    assert "Did you mean" in page and "<script>" not in page.split("did-you-mean")[1].split("</p>")[0]
