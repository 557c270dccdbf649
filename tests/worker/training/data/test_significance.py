import math

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from worker.training.data.significance import (
    WordStatistics,
    content_words,
    mask_significant,
    words_in,
    of_pieces,
    split_words,
    word_weights,
    words_of_pieces,
)


@pytest.mark.parametrize(
    ("caption", "content"),
    [
        ("two little brown dogs run through the wet grass", "little brown dogs run wet grass"),
        ("a man is singing while he has been playing the guitar", "man singing playing guitar"),
        ("the man's dog isn't sleeping", "man's dog sleeping"),
        ("someone is in front of a red car", "someone front red car"),
        ("of the and with", ""),
    ],
)
def test_nouns_verbs_and_adjectives_are_told_from_the_rest(caption: str, content: str) -> None:
    words = words_in(caption)
    found = content_words(words)
    assert [w for w, c in zip(words, found, strict=True) if c] == content.split()
    assert word_weights(words).tolist() == [2.0 if c else 1.0 for c in found]


def test_punctuation_and_nothing_at_all_are_no_content() -> None:
    assert content_words(["dog", ".", "", "-", "runs"]).tolist() == [True, False, False, False, True]
    assert content_words([]).shape == (0,)


def test_words_of_another_language_all_weigh_the_same() -> None:
    assert set(word_weights("un perro corre por la hierba".split()).tolist()) <= {1.0, 2.0}
    assert set(word_weights(["一个男人", "在", "跑步"]).tolist()) == {2.0}


CAPTIONS = [["a", "dog", "runs"], ["a", "dog", "sleeps"], ["a", "zebra", "runs"], ["A", "man"]]


def test_tfidf_is_that_of_its_definition() -> None:
    statistics = WordStatistics.of(CAPTIONS)
    words = ["a", "dog", "dog", "unicorn"]
    idf = {"a": math.log(5 / 5) + 1, "dog": math.log(5 / 3) + 1, "unicorn": math.log(5 / 1) + 1}
    length = math.sqrt(idf["a"] ** 2 + (2 * idf["dog"]) ** 2 + idf["unicorn"] ** 2)
    expected = [idf["a"] / length, 2 * idf["dog"] / length, 2 * idf["dog"] / length, idf["unicorn"] / length]
    assert statistics.tfidf(words).tolist() == pytest.approx(expected, rel=1e-6)
    assert statistics.tfidf([]).shape == (0,)


def test_tfidf_is_that_of_scikit_learn() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    vectorizer = text.TfidfVectorizer(analyzer=lambda words: [w.lower() for w in words])
    vectorizer.fit(CAPTIONS)
    statistics = WordStatistics.of(CAPTIONS)
    for words in CAPTIONS:
        row = vectorizer.transform([words])
        expected = [row[0, vectorizer.vocabulary_[w.lower()]] for w in words]
        assert statistics.tfidf(words).tolist() == pytest.approx(expected, rel=1e-6)


def test_significant_words_are_content_words_that_are_not_rare() -> None:
    statistics = WordStatistics.of(CAPTIONS)
    assert statistics.significant(["a", "dog", "zebra", "runs"]).tolist() == [False, True, False, True]


def test_masked_captions_lose_only_significant_words() -> None:
    statistics = WordStatistics.of([words_in("a brown dog runs on grass")] * 3)
    caption = "A brown dog, wet, runs on the grass."
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        masked = mask_significant(caption, statistics, rng, count=2)
        assert masked is not None
        assert len(words_in(masked)) == 6
        assert masked.startswith("A ") and ", wet, " in masked and " on the" in masked and masked.endswith(".")
        seen.add(masked)
    assert len(seen) > 2
    assert mask_significant(caption, statistics, rng, count=9) == "A , wet, on the ."


def test_a_caption_with_nothing_to_lose_or_nothing_to_keep_has_no_masked_form() -> None:
    statistics = WordStatistics.of([["dog"], ["dog"]])
    rng = np.random.default_rng(0)
    assert mask_significant("of the", statistics, rng) is None
    assert mask_significant("dog", statistics, rng) is None
    assert mask_significant("", statistics, rng) is None


def test_pieces_belong_to_the_word_that_they_lie_in() -> None:
    vocabulary = {"[UNK]": 0, "skate": 1, "##board": 2, "##er": 3, "a": 4, ".": 5}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    caption = "a skateboarder."
    pieces = tokenizer.encode(caption)
    assert pieces.tokens == ["a", "skate", "##board", "##er", "."]
    offsets = [(0, 0), *pieces.offsets, (0, 0)]  # with special tokens around
    belongs = words_of_pieces(split_words(caption), offsets)
    assert belongs.tolist() == [-1, 0, 1, 1, 1, -1, -1]
    assert of_pieces(np.array([1.0, 2.0]), belongs, 0.5).tolist() == [0.5, 1, 2, 2, 2, 0.5, 0.5]


def test_offsets_may_hold_the_space_before_a_word() -> None:
    assert words_of_pieces([(0, 1), (2, 5)], [(0, 1), (1, 4), (4, 5)]).tolist() == [0, 1, 1]
    assert words_of_pieces([], [(0, 3)]).tolist() == [-1]
