"""File names, captions and spoken lines of a library, as people would have left them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from demo.manifest import ClipEntry, ShotEntry
from demo.recipes import ClipPlan, recipe_hash
from demo.wording import PARAPHRASES, caption_plain, captions_other

_WORDS_SCALE = 0.25  # words do not depend on pixels, so the scene is set up tiny to learn them

SPOKEN: tuple[tuple[str, ...], ...] = (
    (
        "Did anybody remember to bring the sandwiches?",
        "I left them on the kitchen table, sorry!",
        "Then let's find a bakery.",
    ),
    (
        "My grandfather told me this story when I was six.",
        "He had worked as a sailor for thirty years.",
        "And he was never afraid of a storm.",
    ),
    (
        "Welcome back to my channel, everybody!",
        "Today I will show you my favourite place.",
        "Please subscribe if you enjoy it.",
    ),
    (
        "Be careful, the ground is slippery here.",
        "Hold my hand, we are nearly there.",
        "Look at that, what a wonderful view!",
    ),
    ("The meeting was moved to Thursday morning.", "So we have the whole afternoon for ourselves."),
)


def _file_names(rng: np.random.Generator) -> Iterator[str]:
    while True:
        year, month, day = int(rng.integers(2019, 2026)), int(rng.integers(1, 13)), int(rng.integers(1, 29))
        yield f"{year}-{month:02d}-{day:02d}"


def name_clips(plans: list[ClipPlan]) -> list[ClipEntry]:
    """One manifest entry per plan: unique file names, captions per shot and per clip, spoken lines where subtitled."""
    entries, taken, spoken = [], set[str](), 0
    for index, plan in enumerate(plans):
        rng = np.random.default_rng(plan.caption_seed)
        shots, tags, titles, clock = [], dict[str, None](), [], 0.0
        for shot in plan.shots:
            words = shot.build(_WORDS_SCALE).words
            end = clock + frames_of(shot.duration, plan.fps) / plan.fps
            shots.append(
                ShotEntry(
                    round(clock, 4),
                    round(end, 4),
                    shot.kind,
                    caption_plain(words, shot.look),
                    captions_other(rng, words, shot.look),
                )
            )
            clock = end
            tags.update(dict.fromkeys(words.tags))
            titles.append(words.titles)
        title = _title(rng, titles, index, taken)
        subtitles = list(SPOKEN[spoken % len(SPOKEN)]) if plan.subtitled else []
        spoken += plan.subtitled
        entries.append(
            ClipEntry(
                file=f"{title}.{plan.container}",
                title=title,
                caption=", then ".join(s.caption for s in shots),
                captions=_together(shots),
                tags=list(tags),
                shots=shots,
                duration=round(clock, 4),
                recipe=recipe_hash(plan),
                subtitles=subtitles,
            )
        )
    return entries


def frames_of(seconds: float, fps: int) -> int:
    return max(1, round(seconds * fps))


def _together(shots: list[ShotEntry]) -> list[str]:
    if len(shots) == 1:
        return shots[0].captions
    return [", then ".join(s.captions[k % len(s.captions)] for s in shots) for k in range(PARAPHRASES)]


def _title(rng: np.random.Generator, titles: list[tuple[str, ...]], index: int, taken: set[str]) -> str:
    """A title of the first shot, a pair of titles for clips with several, now and then a camera's own name."""

    def one(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    if index % 6 == 4:
        title = f"{rng.choice(['IMG', 'MVI', 'DSC', 'GOPR'])}_{int(rng.integers(1000, 9999))}"
    elif len(titles) > 1:
        title = f"{one(titles[0])} + {one(titles[1])}"
    else:
        title = one(titles[0])
        if rng.random() < 0.3:
            title += f" {next(_file_names(rng))}"
    unique, number = title, 2
    while unique.lower() in taken:
        unique, number = f"{title} {number}", number + 1
    taken.add(unique.lower())
    return unique
