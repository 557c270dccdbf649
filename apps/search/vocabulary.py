"""The words that the texts of the library have, for suggestions.

They are read from the text index into a table, new rows when somebody needs a suggestion and every hour, and from there
into the memory of each web process. A word stays for up to a day after its last text is gone; nothing is suggested
before it was looked for among the videos that can be found.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from apps.core.disk_full import unless_disk_full
from apps.search.models import Vocabulary, VocabularyWord
from apps.search.spelling import LONGEST, SHORTEST, Words
from apps.videos.models import TextSegment

ROWS_WHILE_SOMEBODY_WAITS = 20_000
ROWS_AT_ONCE = 100_000
READ_AGAIN = 2_000  # rows with lower numbers may have been committed later
CLEANED_EVERY = timedelta(days=1)

# Words as they were written: neither stems nor what only the following cue says (see apps.videos.words.lexemes).
_WORDS = """
SELECT word FROM ts_stat('SELECT words FROM videos_textsegment WHERE id > {after} AND id <= {until}', 'a')
WHERE left(word, 1) NOT IN ('/', '>') AND char_length(word) BETWEEN {shortest} AND {longest}
"""

_words = Words()
_loaded_until = 0
_loading = threading.Lock()


def known_words() -> Words:
    """All words of the table, and those of rows that it has not read yet (of the newest few thousand, if there are
    more)."""
    global _words, _loaded_until
    with unless_disk_full():
        vocabulary_read(rows=ROWS_WHILE_SOMEBODY_WAITS)
    with _loading:
        rows = list(VocabularyWord.objects.filter(id__gt=_loaded_until).order_by("id").values_list("id", "word"))
        if rows:
            _words.add(word for _, word in rows)
            _loaded_until = rows[-1][0]
        return _words


def words_forget() -> None:
    """The next question reads the table again."""
    global _words, _loaded_until
    with _loading:
        _words, _loaded_until = Words(), 0


def vocabulary_read(*, rows: int = ROWS_AT_ONCE) -> bool:
    """Read at most ``rows`` new rows of text; returns whether that were all."""
    newest = TextSegment.objects.aggregate(newest=Max("id"))["newest"] or 0
    known = Vocabulary.objects.filter(pk=Vocabulary.ONLY).values_list("read_until", flat=True).first()
    if known is not None and known >= newest:
        return True
    with transaction.atomic():
        Vocabulary.objects.get_or_create(pk=Vocabulary.ONLY)
        # Held to the end: words are numbered in the order in which others can see them.
        row = Vocabulary.objects.select_for_update().get(pk=Vocabulary.ONLY)
        until = min(newest, row.read_until + rows)
        after = max(0, row.read_until - READ_AGAIN)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO search_vocabularyword (word) "
                + _WORDS.format(after=after, until=until, shortest=SHORTEST, longest=LONGEST)
                + " ORDER BY word ON CONFLICT DO NOTHING"
            )
        if until > row.read_until:
            row.read_until = until
            row.save(update_fields=["read_until"])
    return until >= newest


def vocabulary_keep() -> None:
    """Every hour: read what is new, and once a day forget the words that no text has any more."""
    while not vocabulary_read():
        pass
    row = Vocabulary.objects.filter(pk=Vocabulary.ONLY).first()
    if row is None or (row.cleaned_at is not None and row.cleaned_at > timezone.now() - CLEANED_EVERY):
        return
    with transaction.atomic():
        row = Vocabulary.objects.select_for_update().get(pk=Vocabulary.ONLY)
        with connection.cursor() as cursor:
            cursor.execute(
                "DELETE FROM search_vocabularyword WHERE word NOT IN ("  # noqa: S608 (numbers of ours)
                + _WORDS.format(after=0, until=row.read_until, shortest=SHORTEST, longest=LONGEST)
                + ")"
            )
        row.cleaned_at = timezone.now()
        row.save(update_fields=["cleaned_at"])
