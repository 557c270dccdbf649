from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.search.conditions import asked_phrase, asked_words
from apps.videos.words.languages import LANGUAGES, language_code, stems, stop_words
from apps.videos.words.lexemes import LAST_PLACE, vector
from apps.videos.words.rows import row_vectors
from apps.videos.words.tokens import tokenize

LEXEME = re.compile(r"'([^' \\]+)':(\d+[ABD](?:,\d+[ABD])*)")


def lexemes(text: str, language: str = "", **options) -> dict[str, str]:
    return dict(LEXEME.findall(vector(text, language, **options)))


@dataclass
class Row:
    text: str
    start: float
    end: float
    source: str = "subtitle"
    language: str = "en"
    track: int = 1


def test_words_stems_signs_and_compounds_have_their_places():
    assert lexemes("Die Häuser", "de") == {
        "die": "1A", "hauser": "2A", "haeuser": "2A", "/de/haus": "2B",
    }  # fmt: skip
    assert lexemes("我们 3月") == {"我": "1A", "们": "2A", "我们": "1A", "3": "3A", "月": "4A"}
    assert lexemes("a T-shirt 🐶 here", "en") == {
        "a": "1A", "t": "2A", "shirt": "3A", "tshirt": "2A,3A", "🐶": "3A", "here": "4A",
    }  # fmt: skip


def test_what_follows_is_marked_and_ends_after_some_words():
    found = lexemes("two dogs", "en", following=" ".join(f"w{number}" for number in range(40)))
    assert found["dogs"] == "2A"
    assert found[">w0"] == "3D"
    assert ">w9" in found
    assert ">w10" not in found
    assert lexemes("", following="word") == {}


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("de", "de"), ("deu", "de"), ("ger", "de"), ("de-AT", "de"), ("DE_ch", "de"), ("German", "de"), ("pt-BR", "pt"),
        ("fre", "fr"), ("fra", "fr"), ("zh", ""), ("zho", ""), ("und", ""), ("", ""), ("nob", "no"), ("iw", "he"),
        ("in", "id"), ("sr-Latn-RS", "sr"), ("\x00", ""), ("xx", ""),
    ],
)  # fmt: skip
def test_every_code_of_a_language_leads_to_its_endings(tag, code):
    assert language_code(tag) == code


def test_small_words_that_mean_something_in_english_need_another_small_word():
    assert stop_words({"red", "hat"}, ["de", "en"]) == set()
    assert stop_words({"er", "hat", "hund"}, ["de"]) == {"er", "hat"}
    assert stop_words({"the", "dog"}, ["da", "no"]) == {"the"}
    assert stop_words({"uber", "dach"}, ["de"]) == {"uber"}


def test_a_cue_knows_what_follows_in_its_track():
    rows = [
        Row("one", 0, 2), Row("two", 2, 4), Row("eins", 0, 2, language="de", track=2), Row("far", 30, 32),
        Row("title", 0, 40, source="title", track=0), Row("same time", 0.1, 2),
    ]  # fmt: skip
    vectors = row_vectors(rows)
    assert "'>two'" in vectors[0] and "'>same'" not in vectors[0] and "'>eins'" not in vectors[0]
    assert all(">" not in vectors[number] for number in (1, 2, 3, 4))
    assert "'>two'" in vectors[5]


texts = st.text(max_size=80) | st.text(alphabet="ab'-. 京都ทé🐶🇩🇪\u0301ß", max_size=40)


@given(texts, st.sampled_from(["", "de", "zh", "xx", *LANGUAGES]), texts)
def test_any_text_gives_a_vector_that_postgres_reads(text, language, following):
    found = vector(text, language, any_language=not language, following=following)
    parts = [LEXEME.fullmatch(part) for part in found.split(" ")] if found else []
    assert all(parts), found
    for part in parts:
        places = [int(place[:-1]) for place in part[2].split(",")]
        assert all(1 <= place <= LAST_PLACE for place in places)
        assert "\x00" not in part[1]


@given(texts)
def test_what_is_in_a_text_is_asked_for_in_the_same_way(text):
    """Each word of a phrase asks for a lexeme that the text has."""
    have = lexemes(text)
    query = asked_phrase(text, [])
    if query and len(tokenize(text).tokens) == 1:
        assert any(f"'{lexeme}'" in query for lexeme in have)
    assert bool(query) == bool(have)
    assert query.count("(") == query.count(")")


@given(texts)
def test_words_that_are_asked_for_are_balanced_and_quoted(text):
    asked = asked_words(text, ["de", "ru"])
    for query in (asked.words, asked.own, asked.titles):
        assert re.fullmatch(r"(?:'[^' \\]+'(?::\*)?|<\d+>|[()|& ])*", query), query


@given(st.text(max_size=20), st.sampled_from(LANGUAGES))
def test_stems_never_look_like_words(text, code):
    assert all(stem.startswith(f"/{code}/") for stem in stems(text, [code]))
