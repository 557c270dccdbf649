"""The library of the bench: what is in it, what is kept out, and the queries that must not be found in it."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.edit_bench.edits import Pool, cut
from benchmarks.edit_bench.looks import LOOKS, Rng
from benchmarks.edit_bench.recipe import Drawn, Look, Piece, Recipe, Reference
from benchmarks.edit_bench.render import render
from benchmarks.edit_bench.sources import MIN_DETAIL, Source

OUTSIDER_SHARE = 0.25
LONG_SECONDS = 20.0  # of such a clip only the first part is in the library; the rest is another take of the same set
TAKE_GAP = 2.0
INTROS = 4
INTRO_SECONDS = 3.0
NEGATIVE_LOOKS = ("re_encode", "crop_20", "caption", "mirror", "letterbox", "colour_grade", "gray", "screen_recording")
NO_FOOTAGE = {  # (in the library, queries): drawn by ffmpeg, each of another seed
    "gradients": ("gradients=size=320x180:rate=25:seed=1:speed=0.02:nb_colors=4",
                  "gradients=size=320x180:rate=25:seed={seed}:speed=0.02:nb_colors=4"),
    "life": ("life=size=80x45:rate=25:seed=1:mold=20:ratio=0.35:life_color=yellow:death_color=navy,scale=320:180",
             "life=size=80x45:rate=25:seed={seed}:mold=20:ratio=0.35:life_color=yellow:death_color=navy,scale=320:180"),
}  # fmt: skip
BLANK = {
    "black": "color=c=black:size=320x180:rate=25",
    "white": "color=c=white:size=320x180:rate=25",
    "noise": "color=c=gray:size=320x180:rate=25,noise=all_seed=3:alls=100:allf=t",
    "bars": "smptebars=size=320x180:rate=25",
}


@dataclass(frozen=True, slots=True)
class Library:
    references: tuple[Reference, ...]
    pool: Pool
    takes: tuple[tuple[Source, float], ...]  # long sources and where their other take begins
    intro: Piece
    everything: tuple[Source, ...]


def rng_of(seed: int, *words: str) -> Rng:
    """A generator of its own for each purpose, so that nothing depends on what else was drawn."""
    return np.random.default_rng([seed, *(zlib.crc32(word.encode()) for word in words)])


def choose_outsiders(sources: Sequence[Source], seed: int) -> set[str]:
    """A quarter of every folder with at least three sources stays out of the library: same set, other takes of it."""
    outside: set[str] = set()
    for folder in sorted({source.folder for source in sources}):
        names = sorted(s.id for s in sources if s.folder == folder)
        if len(names) >= 3:
            count = max(1, round(OUTSIDER_SHARE * len(names)))
            picked = rng_of(seed, "outside", folder).permutation(len(names))[:count]
            outside |= {names[int(k)] for k in picked}
    return outside


def intro_piece(seed: int) -> Piece:
    """The opening that several library videos share: a moving ground with a title."""
    rng = rng_of(seed, "intro")
    graph = f"gradients=size=320x180:rate=25:seed={int(rng.integers(2, 999))}:speed=0.06:nb_colors=5"
    title = Drawn("title", 320, 180, "TRAVEL DIARIES", "#f0a020")
    return Piece(graph, 0.0, INTRO_SECONDS, look=Look("", (title,)), generated=True, shared_asset=True, edit="intro")


def build_library(sources: Sequence[Source], seed: int, folder: Path) -> Library:
    """References (some of them made: shortened, with an intro, drawn), and the pool that edits draw from."""
    outside = choose_outsiders(sources, seed)
    inside = [s for s in sources if s.id not in outside]
    takes = tuple((s, s.duration / 2 + TAKE_GAP) for s in inside if s.duration >= LONG_SECONDS)
    spans = {s.id: (0.0, s.duration) for s in inside} | {s.id: (0.0, round(s.duration / 2, 2)) for s, _ in takes}
    fit = [s for s in inside if s.detail >= MIN_DETAIL]
    order = rng_of(seed, "intros").permutation(len(fit))
    able = [fit[int(k)] for k in order if fit[int(k)].duration >= 6.0 and fit[int(k)].duration < LONG_SECONDS]
    with_intro = {s.id for s in able[:INTROS]}
    intro, proxies = intro_piece(seed), {s.id: s.proxy for s in sources}
    references = []
    for source in inside:
        start, end = spans[source.id]
        video, offset = source.path, 0.0
        opened = source.id in with_intro
        if opened or end < source.duration:
            pieces = (*((intro,) if opened else ()), Piece(source.id, start, end))
            recipe = Recipe("reference", (pieces,), (source.width, source.height), crf=20)
            video = str(render(recipe, proxies, folder, "reference"))
            offset = INTRO_SECONDS if opened else 0.0
        opening = (intro.source, INTRO_SECONDS) if opened else ("", 0.0)
        references.append(Reference(source.id, video, source.id, start, end, offset, *opening))
    for name, (graph, _) in NO_FOOTAGE.items():
        recipe = Recipe("reference", ((Piece(graph, 0.0, 8.0, generated=True),),), (320, 180), crf=20)
        references.append(
            Reference(f"drawn/{name}", str(render(recipe, {}, folder, "reference")), f"drawn/{name}", 0, 8)
        )
    pool = Pool(spans, tuple(fit), tuple(s for s in sources if s.id in outside))
    return Library(tuple(references), pool, takes, intro, tuple(sources))


# Negatives


def _edited(piece: Piece, source: Source, rng: Rng, kind: str, look: str) -> Recipe:
    made = LOOKS[look](rng, source.width, source.height)
    edited = replace(piece, look=made, true=False)
    params = {"look": look, **made.params}
    return Recipe(kind, ((edited,),), (source.width, source.height), negative=kind, params=params)


def negatives(library: Library, seed: int, each: int) -> Iterator[tuple[str, Recipe]]:
    """(name of the source, recipe) of every query without a copy; ``each``: how many edits of one clip at most.

    look_alike: a clip of a folder from which others are in the library, often the same set. static_camera, other_take:
    a later part of a clip whose first part is in the library. drawn_look_alike: made by the same rule as a library
    video, from another seed. blank: black, white, noise, bars.
    """
    for source in library.pool.outsiders:
        kind = "look_alike"
        rng = rng_of(seed, kind, source.id)
        for look in rng.permutation(NEGATIVE_LOOKS)[:each]:
            yield source.id, _edited(cut(Pool({}, (), ()), source, rng, 10.0), source, rng, kind, str(look))
    for source, begin in library.takes:
        kind = "static_camera" if source.fixed_camera else "other_take"
        rng = rng_of(seed, kind, source.id)
        for look in rng.permutation(NEGATIVE_LOOKS)[:each]:
            span = Pool({source.id: (begin, source.duration)}, (), ())
            yield source.id, _edited(cut(span, source, rng, 10.0), source, rng, kind, str(look))
    for name, (_, graph) in NO_FOOTAGE.items():
        for number in range(min(each, 4)):
            piece = Piece(graph.format(seed=number + 11), 0.0, 8.0, generated=True, true=False)
            yield f"{name}{number}", Recipe("drawn_look_alike", ((piece,),), (320, 180), negative="drawn_look_alike")
    for name, graph in BLANK.items():
        piece = Piece(graph, 0.0, 6.0, generated=True, true=False)
        yield name, Recipe("blank", ((piece,),), (320, 180), negative="blank")


def intro_queries(library: Library, seed: int, each: int) -> Iterator[tuple[str, Recipe]]:
    """The shared opening of library videos before footage that is not in the library: related, but no copy."""
    able = [s for s in library.pool.outsiders if s.duration >= 4.0]
    for source in able[:each]:
        rng = rng_of(seed, "intro", source.id)
        rest = replace(cut(Pool({}, (), ()), source, rng, 8.0), true=False)
        size = (source.width, source.height)
        yield source.id, Recipe("intro", ((library.intro, rest),), size, negative="intro")
