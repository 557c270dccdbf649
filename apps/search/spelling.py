"""Which known words are near to one that nobody wrote. Pure.

Nearness counts letters that are wrong, left out, too many, or exchanged with their neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

SHORTEST = 3  # letters; nearly every shorter word is near to every other
LETTERS_FOR_TWO = 5  # from here on two mistakes may be in a word
LONGEST = 40
NEAREST = 12


@dataclass(frozen=True, slots=True)
class Near:
    """``mistakes``: letters that differ. ``alike``: 0 to 1, more where the beginning is the same."""

    word: str
    mistakes: int
    alike: float


class Words:
    """Known words (folded). Only ever grows; ``near`` may run beside ``add`` of another thread."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._known: dict[str, None] = {}
        self._words: list[str] = []
        self._letters: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._lengths: NDArray[np.int16] = np.zeros(0, np.int16)
        self.add(words)

    def __contains__(self, word: object) -> bool:
        return word in self._known

    def __len__(self) -> int:
        return len(self._known)

    def add(self, words: Iterable[str]) -> None:
        new = [word for word in dict.fromkeys(words) if SHORTEST <= len(word) <= LONGEST and word not in self._known]
        if not new:
            return
        self._known.update(dict.fromkeys(new))
        letters = np.concatenate([self._letters, np.array([letters_of(word) for word in new], np.uint64)])
        lengths = np.concatenate([self._lengths, np.array([len(word) for word in new], np.int16)])
        # The list last: whoever reads meanwhile has arrays that are no longer than it, or the old ones.
        self._words = [*self._words, *new]
        self._letters, self._lengths = letters, lengths

    def near(self, word: str, *, limit: int = NEAREST) -> list[Near]:
        """The nearest first, never ``word`` itself; empty for what is too short, or a number."""
        allowed = mistakes_allowed(word)
        if not allowed:
            return []
        letters, lengths = self._letters, self._lengths
        words = self._words
        count = min(len(letters), len(lengths), len(words))
        # One mistake changes at most two letters of the set and the length by one: all others cannot be near.
        differing = np.bitwise_count(letters[:count] ^ np.uint64(letters_of(word)))
        possible = (differing <= 2 * allowed) & (np.abs(lengths[:count] - len(word)) <= allowed)
        some = [words[place] for place in np.flatnonzero(possible)]
        found = process.extract(word, some, scorer=OSA.distance, score_cutoff=allowed, limit=None)
        near = [
            Near(other, int(mistakes), JaroWinkler.similarity(word, other))
            for other, mistakes, _ in found
            if 0 < mistakes <= mistakes_allowed(other) and not other.isdigit()
        ]
        return sorted(near, key=lambda one: (one.mistakes, -one.alike, one.word))[:limit]

    def parted(self, word: str) -> Iterator[tuple[str, str]]:
        """Two known words that were written together."""
        for at in range(SHORTEST, len(word) - SHORTEST + 1):
            if word[:at] in self._known and word[at:] in self._known:
                yield word[:at], word[at:]


def mistakes_allowed(word: str) -> int:
    if not SHORTEST <= len(word) <= LONGEST or word.isdigit():
        return 0
    return 1 if len(word) < LETTERS_FOR_TWO else 2


def letters_of(word: str) -> int:
    """The set of letters as 64 bits."""
    bits = 0
    for letter in word:
        bits |= 1 << (ord(letter) % 64)
    return bits
