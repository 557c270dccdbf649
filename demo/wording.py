"""Captions: what is seen, said in one plain way and in several others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from demo.look import TIME_ADJECTIVES, TIME_WORDS, WEATHER_ADJECTIVES, WEATHER_WORDS, Look

PARAPHRASES = 5


@dataclass(frozen=True, slots=True)
class Wording:
    """Ways to say one scene. In each tuple the first entry is the plainest; ``action`` pairs verb and -ing form."""

    subject: tuple[str, ...]  # "a red car", "a red automobile"
    action: tuple[tuple[str, str], ...]  # ("drives", "driving")
    place: tuple[str, ...]  # "along a city street"
    tags: tuple[str, ...]
    extra: tuple[str, ...] = ()  # whole captions of their own
    outdoors: bool = True  # time of day and weather are told only where they are seen
    titles: tuple[str, ...] = field(default=())


def _join(*parts: str) -> str:
    return re.sub(r"\ba (?=[aeiou])", "an ", " ".join(part for part in parts if part))


def caption_plain(words: Wording, look: Look) -> str:
    """The one caption that says everything: subject, action, place, time and weather."""
    text = _join(words.subject[0], words.action[0][0], words.place[0])
    if words.outdoors:
        time = "" if look.time == "day" else TIME_WORDS[look.time][0]
        text = _join(text, time, WEATHER_WORDS[look.weather][0])
    return text


def captions_other(rng: np.random.Generator, words: Wording, look: Look, count: int = PARAPHRASES) -> list[str]:
    """Up to ``count`` further captions, all different, none equal to the plain one; order is random."""
    found: dict[str, None] = {}
    plain = caption_plain(words, look)
    for _ in range(count * 8):
        text = _paraphrase(rng, words, look)
        if text != plain:
            found[text] = None
        if len(found) == count:
            break
    return list(found)


def _paraphrase(rng: np.random.Generator, words: Wording, look: Look) -> str:
    def one(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    subject, place = one(words.subject), one(words.place)
    verb, gerund = words.action[int(rng.integers(len(words.action)))]
    time = one(TIME_WORDS[look.time]) if words.outdoors else ""
    weather = one(WEATHER_WORDS[look.weather]) if words.outdoors else ""
    form = int(rng.integers(9))
    if form == 0:
        return _join(subject, gerund, place, time)
    if form == 1:
        return _join(subject, verb, place, weather, time)
    if form == 2 and time:
        return f"{time}, {_join(subject, verb, place)}"
    if form == 3:
        return _join(subject, gerund, weather)
    if form == 4 and words.outdoors:
        adjective = _join(one(WEATHER_ADJECTIVES[look.weather]), one(TIME_ADJECTIVES[look.time]))
        article = "an" if adjective[0] in "aeiou" else "a"
        return f"{article} {adjective} scene: {_join(subject, gerund, place)}"
    if form == 5:
        return f"a video of {_join(subject, gerund, time)}"
    if form == 6:
        return _join(subject, place, weather)
    if form == 7 and words.extra:
        return _join(one(words.extra), time)
    return _join(subject, verb, place)
