from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.search.query import MAX_CHARACTERS, MAX_TERMS, leaving_out, parse_query


def test_words_quotes_and_exclusions_are_taken_apart():
    parsed = parse_query('a dog -cat "birthday party" on the beach -"old house"')
    assert parsed.text == "a dog on the beach"
    assert parsed.phrases == ("birthday party",)
    assert parsed.excluded == ("cat", "old house")


@pytest.mark.parametrize("text", ["t-shirt", "a - b", "--", "five-o'clock"])
def test_a_dash_inside_a_word_or_alone_excludes_nothing(text):
    assert parse_query(text).excluded == ()


def test_typographic_quotes_count_and_an_unclosed_quote_is_ignored():
    assert parse_query("“hello there” dog").phrases == ("hello there",)
    assert parse_query('dog "beach').text == "dog beach"


@pytest.mark.parametrize("text", ["", "   ", "\x00", "...", "-", '""', "-dog", "\ud800"])
def test_nothing_to_look_for_is_empty(text):
    assert parse_query(text).empty


@pytest.mark.parametrize("text", ["🐶", "一只狗在海滩上", "the of and", "कुत्ता"])
def test_emoji_other_scripts_and_stop_words_are_queries(text):
    assert parse_query(text).text == text


def test_a_query_beyond_the_limit_is_cut_with_a_warning():
    parsed = parse_query("dog " * MAX_CHARACTERS)
    assert len(parsed.text) <= MAX_CHARACTERS
    assert "10,000" in parsed.warnings[0]
    assert parse_query("dog " * 10).warnings == ()


def test_hundreds_of_exclusions_are_limited_with_a_warning():
    parsed = parse_query("dog " + " ".join(f"-w{i}" for i in range(500)))
    assert len(parsed.excluded) == MAX_TERMS
    assert parsed.warnings


@given(st.text(max_size=300))
def test_any_text_gives_terms_that_postgres_takes(text):
    parsed = parse_query(text)
    for term in (parsed.text, *parsed.phrases, *parsed.excluded):
        assert "\x00" not in term
        term.encode("utf-8")
    assert all(term.strip() for term in (*parsed.phrases, *parsed.excluded))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("cake without candles", "cake -candles"),
        ("cake with no candles", "cake -candles"),
        ("Cake, no Candles", "Cake, -Candles"),
        ("cake without any red candles", 'cake -"red candles"'),
        ("cake without candles and flowers on a table", "cake -candles -flowers on a table"),
        ("no people in the park", "-people in the park"),
        ("Kuchen ohne Kerzen", "Kuchen -Kerzen"),
        ("gâteau sans bougies", "gâteau -bougies"),
        ('cake "without candles" without cream', 'cake "without candles" -cream'),
        ("cake without candles -dog", "cake -candles -dog"),
    ],
)
def test_without_offers_the_query_that_leaves_out(text, query):
    things, offered = leaving_out(text)
    assert offered == query
    assert set(things) <= set(parse_query(offered).excluded)


@pytest.mark.parametrize(
    "text",
    ["no candles", "cake", "no one is here", "a knoll", '"cake without candles"', "without", "cake -candles", ""],
)
def test_nothing_is_offered_where_nothing_is_to_be_left_out(text):
    assert leaving_out(text) == ((), "")


WORDS = ("without", "no", "and", "cake", '"', "-dog", ",", "the", "a-b", "\x00", "é")


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_what_is_offered_leaves_out_what_was_named(words):
    things, offered = leaving_out(" ".join(words))
    assert bool(things) == bool(offered)
    assert set(things) <= set(parse_query(offered).excluded)
