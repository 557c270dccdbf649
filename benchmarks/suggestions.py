"""Typing errors: how long a suggestion takes, and how often it is the word that was meant.

    python benchmarks/suggestions.py --texts FILE [--words 200000] [--typos 200]

FILE has a text a line (titles, captions). They become titles of videos in the configured database, beside made-up words
until the vocabulary has as many words as asked; all of it is rolled back at the end. The typing errors are one or two
letters of a word of five letters or more that are left out, doubled, exchanged with their neighbour or wrong.
The baseline compares the typed word with every word of the vocabulary (difflib).
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import statistics
import sys
import time
from pathlib import Path
from uuid import uuid4

import django

ROOT = Path(__file__).resolve().parent.parent
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FREQUENT = "etaoinshrdlu" * 2 + LETTERS
WORDS_A_TITLE = 20
BASELINE_TYPOS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--words", type=int, default=200_000)
    parser.add_argument("--typos", type=int, default=200)
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    django.setup()
    from django.db import transaction

    from apps.search.vocabulary import words_forget

    lines = [line.strip() for line in asked.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    with transaction.atomic():
        measure(lines, asked.words, asked.typos)
        transaction.set_rollback(True)
    words_forget()


def measure(lines: list[str], words: int, typos: int) -> None:
    from django.db import connection

    from apps.search.filters import NO_FILTERS
    from apps.search.suggestions import did_you_mean
    from apps.search.vocabulary import known_words, vocabulary_read

    draw = random.Random(7)
    real = sorted({word for line in lines for word in line.lower().split() if word.isalpha() and word.isascii()})
    made_up: set[str] = set()
    while len(real) + len(made_up) < words:
        made_up.add("".join(draw.choices(FREQUENT, k=draw.randint(4, 13))))
    others = sorted(made_up - set(real))
    plant([*lines, *(" ".join(others[at : at + WORDS_A_TITLE]) for at in range(0, len(others), WORDS_A_TITLE))])
    with connection.cursor() as cursor:  # as a database does by itself after a while
        cursor.execute("ANALYZE videos_textsegment, videos_video")
    started = time.perf_counter()
    while not vocabulary_read():
        pass
    print(
        f"{len(real)} real words, {len(known_words())} in all; reading them took {time.perf_counter() - started:.1f} s"
    )
    did_you_mean("zzyzx", None, NO_FILTERS)  # loads the words
    meant = draw.sample([word for word in real if len(word) >= 5], typos)
    for count in (1, 2):
        pairs = [(mistyped(word, count, draw), word) for word in meant]
        pairs = [(typed, word) for typed, word in pairs if typed not in known_words()]
        taken, right = [], 0
        for typed, word in pairs:
            started = time.perf_counter()
            right += did_you_mean(typed, None, NO_FILTERS) == word
            taken.append(1000 * (time.perf_counter() - started))
        p95 = statistics.quantiles(taken, n=20)[-1]
        print(f"{count} typing error(s): {right} of {len(pairs)} as meant ({100 * right / len(pairs):.0f} %), "
              f"p50 {statistics.median(taken):.0f} ms, p95 {p95:.0f} ms")  # fmt: skip
        vocabulary = [*real, *others]
        started, right = time.perf_counter(), 0
        for typed, word in pairs[:BASELINE_TYPOS]:
            right += difflib.get_close_matches(typed, vocabulary, 1, 0.7)[:1] == [word]
        each = 1000 * (time.perf_counter() - started) / BASELINE_TYPOS
        print(f"  difflib: {right} of {BASELINE_TYPOS} as meant, {each:.0f} ms each")


def plant(titles: list[str]) -> None:
    from apps.videos.models import TextSegment, Video

    videos = Video.objects.bulk_create(
        [
            Video(
                sha256=uuid4().hex * 2, title=title[:300], original_name="v", source="import", path="v", state="ready"
            )
            for title in titles
        ],
        batch_size=2000,
    )
    for at in range(0, len(videos), 2000):
        TextSegment.objects.bulk_create(
            TextSegment(video=video, source="title", start=0.0, end=1.0, text=title, language="en")
            for video, title in zip(videos[at : at + 2000], titles[at : at + 2000], strict=True)
        )


def mistyped(word: str, count: int, draw: random.Random) -> str:
    """Another word, ``count`` mistakes away from it (or fewer, where they undo each other)."""
    while True:
        typed = word
        for _ in range(count):
            at = draw.randrange(len(typed) - 1)
            kind = draw.randrange(4)
            if kind == 0:
                typed = typed[:at] + typed[at + 1 :]
            elif kind == 1:
                typed = typed[: at + 1] + typed[at:]
            elif kind == 2:
                typed = typed[:at] + typed[at + 1] + typed[at] + typed[at + 2 :]
            else:
                typed = typed[:at] + draw.choice(LETTERS) + typed[at + 1 :]
        if typed != word:
            return typed


if __name__ == "__main__":
    main()
