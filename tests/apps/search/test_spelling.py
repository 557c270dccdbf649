"""Words that are near to a mistyped one, in any alphabet, without a database."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from apps.search.spelling import Words, mistakes_allowed

KNOWN = (
    "dog",
    "beach",
    "bench",
    "peach",
    "elephant",
    "lighthouse",
    "кошка",
    "φάρος",
    "gopr0123",
    "straße",
    "ubung",
    "20240131",
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("dgo", "dog"), ("dogg", "dog"), ("do", None), ("beahc", "beach"), ("baech", "beach"), ("elefant", "elephant"),
        ("lihgthuose", "lighthouse"), ("ligthouse", "lighthouse"), ("кшока", "кошка"), ("кошкаа", "кошка"),
        ("φάορς", "φάρος"), ("gorp0123", "gopr0123"), ("20240132", None), ("xyzzy", None), ("dig", "dog"),
        ("cat", None),
    ],
)  # fmt: skip
def test_the_nearest_word_comes_first(typed: str, meant: str | None) -> None:
    near = Words(KNOWN).near(typed)
    assert (near[0].word if near else None) == meant


def test_a_short_word_takes_one_mistake_and_a_longer_one_two() -> None:
    assert [mistakes_allowed(word) for word in ("ab", "abc", "abcd", "abcde", "2024", "a" * 41)] == [0, 1, 1, 2, 0, 0]


def test_words_that_begin_alike_come_first_among_equals() -> None:
    assert [near.word for near in Words(KNOWN).near("beanch")] == ["beach", "bench", "peach"]


def test_what_was_written_together_is_taken_apart() -> None:
    assert list(Words(KNOWN).parted("dogbeach")) == [("dog", "beach")]
    assert not list(Words(KNOWN).parted("dogbeac"))


def test_words_are_added_once_and_found_at_once() -> None:
    words = Words(KNOWN)
    words.add(["walrus", "dog", "x", "y" * 50])
    assert len(words) == len(KNOWN) + 1 and "walrus" in words and words.near("wallrus")[0].word == "walrus"


@given(st.lists(st.text("abcdé", min_size=3, max_size=7), max_size=40), st.text("abcdé", min_size=3, max_size=7))
def test_nothing_near_is_overlooked(known: list[str], typed: str) -> None:
    """The sets of letters only leave out what is too far; compared with trying every word."""
    expected = {
        word for word in known if 0 < OSA.distance(word, typed) <= min(mistakes_allowed(word), mistakes_allowed(typed))
    }
    assert {near.word for near in Words(known).near(typed, limit=1000)} == expected


def test_a_large_vocabulary_is_answered_like_a_small_one() -> None:
    letters = random.Random(1)
    many = {"".join(letters.choices("abcdefghijklmnopqrst", k=letters.randint(3, 12))) for _ in range(20_000)}
    words = Words(sorted(many))
    word = next(word for word in sorted(many) if len(word) == 12)
    assert words.near(word[:5] + word[6:])[0].word == word
