"""Languages of texts: one short code for every way to write one, names of languages, and the language of a text.

A code is ISO 639-1 where it has the language ("de"), else three letters ("yue"), with a script or a region where that
was said ("pt-BR", "zh-Hant"); "" is unknown.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import lru_cache

import langcodes
from django.conf.locale import LANG_INFO
from langcodes.tag_parser import LanguageTagError
from py3langid import langid

DETECT_WORDS = 10  # fewer say little about their language
DETECT_LETTERS = 12  # of scripts that are written without spaces
DETECT_CHARACTERS = 6_000  # that are looked at
SURE = 0.85  # of 1 over all languages

# Three letters that are no code for one of ISO 639-1 are words in names of files ("cut", "dvd"), but for these.
_LONG_CODES = frozenset("yue fil ast ckb gsw nds hsb dsb sco arz ary".split())
_NO_LANGUAGE = frozenset("und mul mis zxx".split())
# What people write in names of files, and the code that is meant. Where it is a code of another language as well
# (br: Breton), that one is far less frequent.
_WRITTEN = {
    "chs": "zh-Hans", "sc": "zh-Hans", "gb": "zh-Hans", "cn": "zh", "cht": "zh-Hant", "tc": "zh-Hant", "tw": "zh-Hant",
    "jp": "ja", "jap": "ja", "kr": "ko", "cz": "cs", "dk": "da", "gr": "el", "ua": "uk", "vn": "vi", "se": "sv",
    "br": "pt-BR", "pb": "pt-BR", "pob": "pt-BR", "ptbr": "pt-BR", "esp": "es", "ger": "de", "us": "en-US",
    "uk": "uk", "chinese": "zh", "mandarin": "zh", "cantonese": "yue", "norwegian": "no", "norsk": "no", "farsi": "fa",
    "brazilian": "pt-BR", "castilian": "es", "castellano": "es", "latinamerican": "es-419", "latino": "es-419",
    "filipino": "fil", "tagalog": "fil", "malay": "ms", "flemish": "nl-BE", "中文": "zh", "简体": "zh-Hans",
    "繁體": "zh-Hant", "繁体": "zh-Hant", "burmese": "my", "pashto": "ps", "sinhala": "si", "czech": "cs",
}  # fmt: skip


@lru_cache(maxsize=1024)
def language_code(tag: str) -> str:
    """The code for a tag of any kind ("ger", "deu", "pt_BR"); "" for what is no language."""
    try:
        found = langcodes.get(tag)
        if not tag or found.language in _NO_LANGUAGE or not found.is_valid():
            return ""
        parts = [found.language, found.script, found.territory]
    except (LanguageTagError, ValueError):
        return ""
    if parts[0] == "cmn":
        parts[0] = "zh"
    return "-".join(part for part in parts if part)[:16]


def language_written(word: str) -> str:
    """The code for a part of a file's name: a tag, or the name of a language in English or in itself; "" for others."""
    folded = _folded(word)
    if folded in _WRITTEN or folded in _names():
        return _WRITTEN.get(folded) or _names()[folded]
    if not re.fullmatch(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,4}){0,2}", word, re.IGNORECASE):
        return ""
    code = language_code(word)
    base = code.partition("-")[0]
    return code if len(base) == 2 or base in _LONG_CODES else ""


def language_name(code: str) -> str:
    """In the language itself ("Deutsch"), else the code; "" for an unknown one."""
    info = LANG_INFO.get(code.lower()) or LANG_INFO.get(code.partition("-")[0].lower())
    if code in ("no", "zh", "zh-Hans", "zh-Hant", "zh-CN", "zh-TW"):
        return {"no": "norsk", "zh": "中文", "zh-Hans": "简体中文", "zh-CN": "简体中文"}.get(code, "繁體中文")
    if info is None or "name_local" not in info:
        return code
    region = code.partition("-")[2] if code.lower() not in LANG_INFO else ""
    name = str(info["name_local"])
    return f"{name} ({region})" if region else name


def language_detected(text: str) -> str:
    """The language in which a text is written; "" when it is too short or the languages it may be in are too alike."""
    text = " ".join(text[:DETECT_CHARACTERS].split())
    without_spaces = sum(unicodedata.category(letter) == "Lo" for letter in text)
    if len(text.split()) < DETECT_WORDS and without_spaces < DETECT_LETTERS:
        return ""
    ranked = langid.rank(text)
    softness = 1.0 / math.sqrt(len(text.encode()))
    weights = [math.exp((float(score) - float(ranked[0][1])) * softness) for _, score in ranked]
    return language_code(ranked[0][0]) if 1.0 / sum(weights) >= SURE else ""


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for code, info in LANG_INFO.items():
        if "name_local" in info:
            for name in (info["name"], info["name_local"]):
                names.setdefault(_folded(str(name)), language_code(code))
    return names


def _folded(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(letter for letter in plain if unicodedata.category(letter) in {"Ll", "Lo", "Nd"})
