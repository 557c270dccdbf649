"""Why the answer of a lookup is weak: codes that the worker sets, sentences that people read. Pure."""

from __future__ import annotations

LIBRARY_EMPTY = "library_empty"
LIBRARY_ALONE = "library_alone"
NOTHING_TO_SEE = "nothing_to_see"
STILL = "still"
SHORT = "short"
LONG = "long"

# Instead of "nothing shares footage", when nothing was found.
INSTEAD = {
    LIBRARY_EMPTY: "The library is empty, so there was nothing to compare with.",
    LIBRARY_ALONE: "The library has no other videos, so there was nothing to compare with.",
    NOTHING_TO_SEE: "This video shows nothing that could be recognised.",
}
MESSAGES = {
    LIBRARY_EMPTY: "Add videos to the library, then try again.",
    LIBRARY_ALONE: "Add more videos to the library, then try again.",
    NOTHING_TO_SEE: "Its pictures are black, plain or faded. Such pictures are not compared, because"
    " they look the same in unrelated videos.",
    STILL: "The picture hardly changes, like a still image. There is little to recognise, and the matching seconds"
    " would be a guess.",
    SHORT: "With less than 2 seconds there is little to recognise. A longer clip gives a more certain answer.",
    LONG: "This is a long video: only some of its pictures were used to find candidates, so a copied part of a few"
    " seconds may have been missed. Look up a shorter part for a closer search.",
}


def note_message(code: str) -> str:
    """ "" for no note and for a code that a newer version wrote."""
    return MESSAGES.get(code, "")
