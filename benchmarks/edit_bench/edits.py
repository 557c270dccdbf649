"""All edits by name: from a source to a recipe. Everything is drawn from the generator that is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.edit_bench.looks import LOOKS, LookMaker, Rng, plain
from benchmarks.edit_bench.recipe import Look, Piece, Recipe
from benchmarks.edit_bench.sources import Source

MAX_SECONDS = 20.0  # of one source in one query
FILLERS = ("testsrc2=size=320x256:rate=25", "mandelbrot=size=320x256:rate=25:start_scale=1.3")
LIGHT = ("re_encode", "brightness", "gray", "logo", "caption", "crop_20", "mirror", "letterbox", "colour_grade")


@dataclass(frozen=True, slots=True)
class Pool:
    """What edits may draw from: library sources as far as the library shows them, and clips that are not in it."""

    spans: dict[str, tuple[float, float]]  # source id to the seconds of it that the library has
    library: tuple[Source, ...]  # fit to be copied
    outsiders: tuple[Source, ...]

    def seconds(self, source: Source) -> float:
        start, end = self.spans.get(source.id, (0.0, source.duration))
        return end - start


@dataclass(frozen=True, slots=True)
class Edit:
    make: Callable[[Pool, Source, Rng], Recipe]
    min_seconds: float = 4.0  # shorter sources are not used
    moving: bool = False  # only sources whose moments can be told apart: the order of the pieces is the question


def cut(pool: Pool, source: Source, rng: Rng, seconds: float = MAX_SECONDS) -> Piece:
    """At most ``seconds`` of the source, anywhere in what the library has of it."""
    start, end = pool.spans.get(source.id, (0.0, source.duration))
    length = min(seconds, end - start)
    begin = start + round(float(rng.uniform(0, end - start - length)), 2)
    return Piece(source.id, round(begin, 3), round(begin + length, 3))


def _size(source: Source) -> tuple[int, int]:
    return source.width, source.height


def _alone(source: Source, piece: Piece, edit: str, **more: object) -> Recipe:
    return replace(Recipe(edit, ((piece,),), _size(source), params=dict(piece.look.params)), **more)  # type: ignore[arg-type]


def _look(name: str, maker: LookMaker, crf: int = 26) -> Edit:
    def make(pool: Pool, source: Source, rng: Rng) -> Recipe:
        piece = replace(cut(pool, source, rng), look=maker(rng, *_size(source)))
        return _alone(source, piece, name, crf=crf)

    return Edit(make)


def _re_encode(pool: Pool, source: Source, rng: Rng) -> Recipe:
    """Half to all of the size, CRF 30 to 38."""
    share, crf = round(float(rng.uniform(0.5, 1.0)), 2), int(rng.integers(30, 39))
    look = Look(f"scale=iw*{share}:ih*{share}", params={"share": share, "crf": crf})
    return _alone(source, replace(cut(pool, source, rng), look=look), "re_encode", crf=crf)


def _fps_12(pool: Pool, source: Source, rng: Rng) -> Recipe:
    return _alone(source, cut(pool, source, rng), "fps_12", fps=12.0)


def _speed(factor: float) -> Edit:
    name = f"speed_{factor:g}"

    def make(pool: Pool, source: Source, rng: Rng) -> Recipe:
        piece = replace(cut(pool, source, rng, MAX_SECONDS * min(1.0, factor)), speed=factor)
        return _alone(source, piece, name, params={"speed": factor})

    return Edit(make, 4.0 * max(1.0, factor))


def _reversed(pool: Pool, source: Source, rng: Rng) -> Recipe:
    return _alone(source, replace(cut(pool, source, rng), reversed=True), "reversed")


def _first_half(pool: Pool, source: Source, rng: Rng) -> Recipe:
    start, end = pool.spans.get(source.id, (0.0, source.duration))
    middle = round(min((start + end) / 2, start + MAX_SECONDS), 3)
    return _alone(source, Piece(source.id, start, middle), "first_half")


def _short_copy(pool: Pool, source: Source, rng: Rng) -> Recipe:
    seconds = round(float(rng.uniform(3, 5)), 2)
    return _alone(source, cut(pool, source, rng, seconds), "short_copy", params={"seconds": seconds})


def filler(pool: Pool, source: Source, rng: Rng, seconds: float) -> Piece:
    """Footage that is not in the library; drawn by ffmpeg when every clip is."""
    able = [s for s in pool.outsiders if s.duration >= min(seconds, 1.5)]
    if not able:
        return Piece(str(rng.choice(FILLERS)), 0.0, seconds, generated=True, true=False)
    chosen = able[int(rng.integers(len(able)))]
    piece = cut(replace(pool, spans={}), chosen, rng, seconds)
    return replace(piece, hold=round(seconds - (piece.end - piece.start), 3), true=False)


def _stitched_5_in_15(pool: Pool, source: Source, rng: Rng) -> Recipe:
    """5 s of the source with 10 s of other footage around them."""
    before = round(float(rng.uniform(2, 8)), 2)
    pieces = (
        filler(pool, source, rng, before),
        cut(pool, source, rng, 5.0),
        filler(pool, source, rng, round(10 - before, 2)),
    )
    return Recipe("stitched_5_in_15", (pieces,), _size(source), params={"at": before})


def _others(pool: Pool, source: Source, rng: Rng, count: int, seconds: float) -> list[Source]:
    able = [s for s in pool.library if s.id != source.id and pool.seconds(s) >= seconds]
    return [able[i] for i in rng.permutation(len(able))[:count]]


def _stitched(edited: bool) -> Edit:
    """Three to five sources, 4 to 7 s each, one after the other; ``edited``: each with a light edit of its own."""
    name = "stitched_edited" if edited else "stitched"

    def make(pool: Pool, source: Source, rng: Rng) -> Recipe:
        moving = replace(pool, library=tuple(s for s in pool.library if s.moves))
        chosen = [source, *_others(moving, source, rng, int(rng.integers(2, 5)), 4.0)]
        pieces, edits = [], []
        for number in rng.permutation(len(chosen)):
            part = chosen[number]
            piece = cut(pool, part, rng, round(float(rng.uniform(4, 7)), 2))
            look = str(rng.choice(LIGHT)) if edited else "re_encode"
            edits.append(look)
            maker = plain if look == "re_encode" else LOOKS[look]
            pieces.append(replace(piece, look=maker(rng, *_size(part))))
        return Recipe(name, (tuple(pieces),), _size(source), params={"edits": edits, "sources": len(chosen)})

    return Edit(make, moving=True)


def _shuffled(pool: Pool, source: Source, rng: Rng) -> Recipe:
    """Cut into three or four scenes of at least 2.5 s that change places; no two neighbours stay together."""
    whole = cut(pool, source, rng)
    length = whole.end - whole.start
    count = 4 if length >= 10 else 3
    order = [(2, 1, 0), (1, 0, 2), (0, 2, 1)] if count == 3 else [(1, 3, 0, 2), (2, 0, 3, 1), (3, 2, 1, 0)]
    chosen = order[int(rng.integers(len(order)))]
    edges = [round(float(e), 3) for e in np.linspace(whole.start, whole.end, count + 1)]
    pieces = tuple(Piece(source.id, edges[k], edges[k + 1]) for k in chosen)
    return Recipe("shuffled_scenes", (pieces,), _size(source), params={"order": list(chosen)})


def _freeze(pool: Pool, source: Source, rng: Rng) -> Recipe:
    """The picture stands still for 1.5 to 3 s somewhere in the middle."""
    whole, still = cut(pool, source, rng), round(float(rng.uniform(1.5, 3)), 2)
    at = round(whole.start + (whole.end - whole.start) * float(rng.uniform(0.4, 0.6)), 2)
    stop = Piece(source.id, at, round(at + 0.04, 3), hold=still, true=False)
    pieces = (replace(whole, end=at), stop, replace(whole, start=at))
    return Recipe("freeze", (pieces,), _size(source), params={"at": at, "seconds": still})


def _black_fade_in(pool: Pool, source: Source, rng: Rng) -> Recipe:
    """1 to 2.5 s of black, then the picture fades in over 0.5 to 1.5 s."""
    black, fade = round(float(rng.uniform(1, 2.5)), 2), round(float(rng.uniform(0.5, 1.5)), 2)
    w, h = _size(source)
    dark = Piece(f"color=c=black:size={w}x{h}:rate=25", 0.0, black, generated=True, true=False)
    piece = replace(cut(pool, source, rng), look=Look(f"fade=in:st=0:d={fade}"))
    return Recipe("black_fade_in", ((dark, piece),), (w, h), params={"black": black, "fade": fade})


def _partner(pool: Pool, source: Source, rng: Rng) -> Source:
    """Another library clip of the same orientation and at least 5 s, where there is one."""
    able = _others(pool, source, rng, len(pool.library), 5.0) or _others(pool, source, rng, 1, 0.0)
    same = [s for s in able if (s.width >= s.height) == (source.width >= source.height)]
    if not able:
        raise ValueError("composites need at least two clips in the library")
    return (same or able)[0]


def _split(layout: str) -> Edit:
    """Two sources in one half each: squeezed, cropped or with bars; the source is first or second."""
    name = "split_screen" if layout == "beside" else "stacked_screen"

    def make(pool: Pool, source: Source, rng: Rng) -> Recipe:
        other = _partner(pool, source, rng)
        length = min(pool.seconds(source), pool.seconds(other), MAX_SECONDS)
        tracks = [(cut(pool, s, rng, length),) for s in (source, other)]
        second = bool(rng.random() < 0.5)
        fit = str(rng.choice(["squeeze", "crop", "bars"]))
        params = {"fit": fit, "second": second, "other": other.id}
        ordered = tuple(reversed(tracks)) if second else tuple(tracks)
        return Recipe(name, ordered, _size(source), layout=layout, fit=fit, params=params)  # type: ignore[arg-type]

    return Edit(make)


def _inset(name: str, share: float) -> Edit:
    """The source small in a corner of another library clip, which is ground truth as ``NAME_host``."""

    def make(pool: Pool, source: Source, rng: Rng) -> Recipe:
        host = _partner(pool, source, rng)
        length = min(pool.seconds(source), pool.seconds(host), MAX_SECONDS)
        corner = [float(rng.choice([0, 1])) for _ in range(2)]
        place = [abs(c - float(rng.uniform(0, 0.12))) for c in corner]
        border = int(rng.choice([0, 0, 2]))
        tracks = ((replace(cut(pool, host, rng, length), edit=f"{name}_host"),), (cut(pool, source, rng, length),))
        width = min(share, 0.94 * host.height * source.width / source.height / host.width)
        params = {"share": round(width, 3), "x": place[0], "y": place[1], "border": border, "host": host.id}
        where = (share, round(place[0], 4), round(place[1], 4), border)
        return Recipe(name, tracks, _size(host), layout="inset", inset=where, params=params)

    return Edit(make)


EDITS: dict[str, Edit] = {
    **{name: _look(name, maker) for name, maker in LOOKS.items()},
    "re_encode": Edit(_re_encode),
    "fps_12": Edit(_fps_12),
    **{f"speed_{factor:g}": _speed(factor) for factor in (0.5, 0.75, 1.25, 1.5, 2.0)},
    "reversed": Edit(_reversed),
    "first_half": Edit(_first_half, 6.0),
    "short_copy": Edit(_short_copy, 6.0),
    "stitched_5_in_15": Edit(_stitched_5_in_15, 5.0),
    "stitched": _stitched(edited=False),
    "stitched_edited": _stitched(edited=True),
    "shuffled_scenes": Edit(_shuffled, 7.5, moving=True),
    "freeze": Edit(_freeze, 6.0),
    "black_fade_in": Edit(_black_fade_in),
    "split_screen": _split("beside"),
    "stacked_screen": _split("stacked"),
    "pip_50": _inset("pip_50", 0.5),
    "pip_40": _inset("pip_40", 0.4),
    "pip_33": _inset("pip_33", 1 / 3),
}


def edit_names(wanted: Sequence[str] = ()) -> list[str]:
    """``wanted`` in the order of EDITS, all when empty. Raises ValueError for a name that does not exist."""
    unknown = sorted(set(wanted) - set(EDITS))
    if unknown:
        raise ValueError(f"there is no edit called {', '.join(unknown)}; there are: {', '.join(EDITS)}")
    return [name for name in EDITS if not wanted or name in wanted]
