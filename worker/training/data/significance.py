"""Which words of a caption matter: nouns, verbs and adjectives, how rare they are, and captions without them.

Parts of speech come from TextBlob's port of the Pattern tagger (a lexicon with suffix rules, MIT licence), whose data
lies in its wheel; NLTK's taggers would need a download. It knows English only and errs: in "a woman cooks pasta" the
verb becomes a noun. Nouns and verbs count alike here, so most such errors change nothing. Words that it does not know
count as nouns, and foreign ones as significant: in another language nearly all words weigh the same, and only
``WordStatistics`` tells them apart.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

CONTENT_WEIGHT = 2.0
OTHER_WEIGHT = 1.0
CONTENT_TAGS = ("NN", "VB", "JJ", "FW")
# Verbs by their tag, but they name nothing that can be seen.
AUXILIARIES = frozenset(
    "be is are was were am been being 's 're 'm s has have had having do does did doing done get gets got "
    "isn't aren't wasn't weren't don't doesn't didn't hasn't haven't hadn't".split()
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def split_words(caption: str) -> list[tuple[int, int]]:
    """(start, end) of each word; punctuation belongs to none."""
    return [match.span() for match in _WORD.finditer(caption)]


def words_in(caption: str) -> list[str]:
    return [caption[start:end] for start, end in split_words(caption)]


def content_words(words: Sequence[str]) -> np.ndarray:
    """The words of one caption, in order -> (L,) bool: nouns, verbs and adjectives."""
    # Reading the lexicon takes a moment, and most of what imports this module never tags.
    from textblob.en import parser

    content = np.zeros(len(words), bool)
    places = [place for place, word in enumerate(words) if any(c.isalnum() for c in word)]
    tagged = parser.find_tags([words[place] for place in places])
    for place, (word, tag) in zip(places, tagged, strict=True):
        content[place] = tag.startswith(CONTENT_TAGS) and word.lower().replace("’", "'") not in AUXILIARIES
    return content


def word_weights(words: Sequence[str]) -> np.ndarray:
    """(L,) float32: 2 for nouns, verbs and adjectives, 1 for others (DMAE's textual attention)."""
    return np.where(content_words(words), CONTENT_WEIGHT, OTHER_WEIGHT).astype(np.float32)


@dataclass(frozen=True)
class WordStatistics:
    """In how many of ``captions`` training captions each word stands."""

    captions: int
    counts: dict[str, int]

    @classmethod
    def of(cls, captions: Iterable[Sequence[str]]) -> WordStatistics:
        """From the words of every training caption; of no other split's."""
        counts: Counter[str] = Counter()
        number = 0
        for words in captions:
            counts.update({word.lower() for word in words})
            number += 1
        return cls(number, dict(counts))

    def tfidf(self, words: Sequence[str]) -> np.ndarray:
        """(L,) float32 of unit length: count in the caption times log((1 + N) / (1 + df)) + 1, as in scikit-learn."""
        lower = [word.lower() for word in words]
        within = Counter(lower)
        document = np.array([self.counts.get(word, 0) for word in lower], np.float64)
        weight = np.array([within[word] for word in lower]) * (np.log((1 + self.captions) / (1 + document)) + 1)
        # A word that stands twice must not count twice in the length.
        length = np.sqrt((weight**2 / np.array([within[word] for word in lower])).sum()) if len(lower) else 1.0
        return (weight / max(length, 1e-12)).astype(np.float32)

    def significant(self, words: Sequence[str], *, least: int = 2) -> np.ndarray:
        """(L,) bool: nouns, verbs and adjectives that stand in at least ``least`` captions (S3 masks frequent ones)."""
        frequent = np.array([self.counts.get(word.lower(), 0) >= least for word in words], bool)
        return content_words(words) & frequent


def words_of_pieces(spans: Sequence[tuple[int, int]], offsets: Sequence[tuple[int, int]]) -> np.ndarray:
    """Spans of L words and offsets of P word pieces in one caption -> (P,) the word that each piece overlaps most.

    -1 for special tokens (empty offsets) and for pieces outside of every word, such as punctuation. Offsets may
    include the space before a word, as byte-level tokenizers report them.
    """
    result = np.full(len(offsets), -1, np.int64)
    for place, (start, end) in enumerate(offsets):
        overlaps = [min(end, b) - max(start, a) for a, b in spans]
        if start < end and overlaps and max(overlaps) > 0:
            result[place] = int(np.argmax(overlaps))
    return result


def of_pieces(values: np.ndarray, word_of_piece: np.ndarray, default: float) -> np.ndarray:
    """Values (L,) of words -> (P,) of their pieces, ``default`` where a piece belongs to none."""
    padded = np.append(values, default).astype(np.float32)  # -1 is the last
    return padded[word_of_piece]


def mask_significant(
    caption: str, statistics: WordStatistics, rng: np.random.Generator, *, count: int = 3
) -> str | None:
    """The caption without up to ``count`` of its significant words, drawn at random: a hard negative (S3).

    None where there is no significant word, or nothing beside those that went.
    """
    spans = split_words(caption)
    significant = np.flatnonzero(statistics.significant(words_in(caption)))
    if not len(significant):
        return None
    gone = set(rng.choice(significant, min(count, len(significant)), replace=False).tolist())
    if len(gone) == len(spans):
        return None
    parts, end = [], 0
    for place, (a, b) in enumerate(spans):
        if place in gone:
            parts.append(caption[end:a])
            end = b
    return " ".join("".join([*parts, caption[end:]]).split())
