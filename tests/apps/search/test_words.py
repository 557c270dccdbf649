"""Words in titles, descriptions and subtitles, as people type them."""

from __future__ import annotations

import pytest

from apps.search.query import parse_query
from apps.search.words import library_languages, text_hits, videos_with
from apps.videos.models import TextSegment
from tests.apps.embeddings.library import make_video

pytestmark = pytest.mark.django_db


def cues(*texts: str, language: str = "", step: float = 2.0, length: float = 2.0, track: int = 1):
    video = make_video("v")
    add_cues(video, *texts, language=language, step=step, length=length, track=track)
    return video


def add_cues(video, *texts: str, language: str = "", step: float = 2.0, length: float = 2.0, track: int = 1):
    TextSegment.objects.bulk_create(
        TextSegment(
            video=video,
            source="subtitle",
            start=number * step,
            end=number * step + length,
            text=text,
            language=language,
            track=track,
        )
        for number, text in enumerate(texts)
    )


def titled(title: str):
    video = make_video(title)
    TextSegment.objects.bulk_create([TextSegment(video=video, source="title", start=0.0, end=60.0, text=title)])
    return video


def found(query: str, limit: int = 20) -> list[float]:
    """Starts, best first."""
    parsed = parse_query(query)
    return [hit.start for hit in text_hits(text=parsed.text, phrases=parsed.phrases, video_ids=None, limit=limit)]


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("Café Übung", ["cafe ubung", "CAFÉ", "uebung", "ÜBUNG", "cafe\u0301", '"cafe ubung"']),
        ("Uebung", ["Übung"]),
        ("João’s boat", ["joao's", "joaos", "joão", "JOÃO'S boat", '"joaos boat"', "joao´s"]),
        ("Die große Straße", ["grosse strasse", "STRASSE", "straẞe"]),
        ("Новогодняя ёлка", ["елка", "ЁЛКА", "новогодняя"]),
        ("København", ["kobenhavn", "koebenhavn", "KØBENHAVN"]),
        ("Łódź nad rzeką", ["lodz", "rzeka"]),
        ("İstanbul'da ışık", ["istanbul", "isik", "ISTANBUL"]),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", ["full width"]),
        ("ﬁnal oﬃce", ["final", "office"]),
        ("co\u00adop\u200beration", ["cooperation"]),
        ("don’t stop", ["dont stop", "don't", '"don\'t stop"']),
        ("Jean‑Paul wears a T‑shirt", ["jean-paul", "jean paul", "tshirt", "t-shirt", '"t shirt"', '"paul wears"']),
        ("Voici l’avion rouge", ["avion", "l'avion", "lavion", '"l\'avion rouge"']),
        ("1,000 people in the U.S.A.", ["1000", "1,000", "usa", "U.S.A."]),
        ("rock’n’roll", ["rocknroll", "rock n roll", "rock'n'roll", '"rock n roll"']),
        ("مَرْحَبًا بالعالم", ["مرحبا"]),
        ("הכלב הגדול", ["כלב", "הכלב"]),
        ("我们去东京塔 tokyo 2020", ["东京", "塔", "东京塔", "东京 tokyo 2020", '"去东京"', "tokyo"]),
        ("東京タワーへ行こう", ["タワー", "ﾀﾜｰ", "東京", "行"]),
        ("สวัสดีชาวโลก", ["สวัสดี", "โลก"]),
        ("학교에서 만나요", ["학교", "학교에서", "만나"]),
        ("happy 🐶🇩🇪 ❤️ day", ["🐶", "❤", "🇩🇪", "happy 🐶", '"happy day"']),
        ("to be or not to be", ['"to be or not"', "to be or not to be"]),
        ("running dogs", ["run", "runs dog", "running", '"running dog"']),
    ],
)
@pytest.mark.parametrize("place", [cues, titled])
def test_words_are_found_however_they_are_written(place, text, queries):
    place(text)
    place("quite another thing entirely")
    assert {query: len(found(query)) for query in queries} == dict.fromkeys(queries, 1)


@pytest.mark.parametrize(
    ("text", "queries"),
    [
        ("东京塔", ["京东", "东塔", '"塔东"']),
        ("Übung", ["ubungs-plan", "bung"]),
        ("quilt", ["quelle"]),
        ("thing", ["in", "hin"]),
        ("100 % of a_b", ["%", "_"]),
    ],
)
def test_what_was_not_said_is_not_found(text, queries):
    cues(text)
    assert {query: found(query) for query in queries} == {query: [] for query in queries}


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", "Die Häuser am See", "Haus"),
        ("ger", "Die Häuser am See", "haus"),
        ("deu", "viele Übungen", "ubung"),
        ("de-AT", "Katzen im Garten", "eine Katze im Garten"),
        ("fr", "Les chevaux parlaient", "parler"),
        ("pt-BR", "muitas ações bonitas", "acoes bonito"),
        ("ru", "интересные книги", "книга"),
        ("spa", "las canciones", "cancion"),
        ("hun", "házakban", "hazak"),
        ("pol", "pięknymi kotami", "kotem"),
    ],
)
def test_endings_follow_the_language_of_the_text(language, text, query):
    cues(text, language=language)
    assert len(found(query)) == 1
    assert found(text) == [0.0]


def test_a_language_is_only_tried_when_the_library_has_it():
    cues("Häuser")
    assert found("haus") == []
    cues("Wir reden", language="de")
    assert library_languages() == ["de"]
    titled("Häuser")  # of unknown language: any ending counts that the library knows
    assert len(found("haus")) == 1


def test_the_exact_word_comes_first():
    cues("they walk", "a walking man", "walked away", "the walk")
    assert set(found("walking")) == {0.0, 2.0, 4.0, 6.0}
    assert found("walking")[0] == 2.0
    assert found("walked")[0] == 4.0


def test_small_words_need_not_be_said_and_content_words_must():
    cues("dog on beach", "dog", "quiet", "beach", step=20.0)
    assert found("the dog on a beach") == [0.0]
    cues("Der rote Hut", "Er hat es", language="de")
    assert found("red hat") == []


def test_a_phrase_that_ends_in_the_next_cue_is_found_at_the_first():
    cues("I have been looking", "for you all day", "and all of the night", "long ago")
    assert found('"looking for you"') == [0.0]
    assert found('"day and all of"') == [2.0]
    assert found('"for you all"') == [2.0]
    assert found("looking day") == [0.0]
    assert found("night") == [4.0]
    assert found('"looking and"') == []
    assert found('"long ago I"') == []


def test_a_phrase_may_run_over_several_short_cues():
    cues("we", "will", "rock", "you", step=1.0, length=0.8)
    assert found('"we will rock you"') == [0.0]
    assert found('"rock you"') == [2.0]


def test_a_phrase_without_spaces_runs_over_two_cues():
    cues("我们去东", "京塔看看", language="zh")
    assert found("东京塔") == [0.0]
    assert found("东京") == [0.0]
    assert found("京塔") == [2.0]


def test_a_phrase_does_not_run_into_another_track_or_over_a_long_silence():
    video = cues("looking", "somewhere else", language="en")
    add_cues(video, "suchend", "for you", language="de", track=2)
    assert found('"looking for you"') == []
    cues("looking", "for you", step=60.0)
    assert found('"looking for you"') == []


def test_two_people_at_once_do_not_part_a_phrase():
    video = make_video("v")
    rows = [(0.0, 2.0, "looking"), (0.1, 2.0, "WHO IS THERE"), (2.1, 4.0, "for you"), (2.2, 4.0, "ME")]
    TextSegment.objects.bulk_create(
        TextSegment(video=video, source="subtitle", start=start, end=end, text=text, track=1)
        for start, end, text in rows
    )
    assert found('"looking for you"') == [0.0]


def test_the_cue_that_says_it_all_comes_without_the_one_before():
    cues("a red", "the red boat sails")
    assert found("red boat") == [2.0]
    assert found("red boat sails") == [2.0]


def test_small_words_alone_are_a_phrase_and_title_words():
    titled("The Who")
    cues("the one who", "who was the")
    assert found("the") == [0.0]
    assert len(found("who was the")) == 1
    assert [hit.matched for hit in text_hits(text="who the", phrases=[], video_ids=None, limit=9)] == [("title",)]


def test_excluded_words_and_quotes_look_at_the_words_of_the_cue_itself():
    candles, other = cues("many candles", "on the cake"), cues("nothing", "here")
    assert videos_with(["candle"], all_of=False) == {candles.id}
    assert videos_with(["candles on the cake"], all_of=True) == {candles.id}
    assert videos_with(["the", "here"], all_of=False) == {candles.id, other.id}
    assert videos_with(["here", "candle"], all_of=True) == set()
    assert videos_with(["…", "here"], all_of=True) == {other.id}


def test_the_beginning_of_the_last_word_of_a_title_is_enough():
    titled("Mountain lake at dawn")
    assert len(found("mountain la")) == 1
    assert found("en") == []  # not the mark of a language
    assert found("mountains lakes da") == [0.0]


@pytest.mark.parametrize("query", ["'", "\\", "' | 'a", "a:*", ">dog", "/en/dog", "&|!<->()", "x" * 5_000, "é" * 300])
def test_signs_that_mean_something_to_postgres_mean_nothing_here(query):
    cues("dog")
    assert len(found(query)) in {0, 1}
    text_hits(text="", phrases=[query], video_ids=None, limit=5)
    videos_with([query], all_of=True)
