"""Makes the bench: the library, every edit of its clips, the negatives, the manifest and what was drawn."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clip_families import Split
from benchmarks.edit_bench.edits import EDITS, edit_names
from benchmarks.edit_bench.library import Library, build_library, intro_queries, negatives, rng_of
from benchmarks.edit_bench.recipe import Recipe, truth_of
from benchmarks.edit_bench.render import render
from benchmarks.edit_bench.sources import MIN_DETAIL, Source, find_sources

MANIFEST, PARAMETERS = "manifest.json", "parameters.json"
NEGATIVE_EDITS = 4  # of each clip outside the library
SAME_LENGTH = 0.5  # seconds: known edits of a clip that differ more in length have an unknown time mapping


def copies(library: Library, seed: int, names: Sequence[str], limit: int) -> Iterator[tuple[str, Recipe]]:
    """(source id, recipe) of every edit; each edit takes ``limit`` sources in an order of its own (0: all, once).

    Where there are fewer, sources are drawn again with other parameters; what comes out the same is left out.
    """
    for name in names:
        edit, made = EDITS[name], set()
        able = [
            s
            for s in library.pool.library
            if library.pool.seconds(s) >= edit.min_seconds and (s.moves or not edit.moving)
        ]
        order = [able[int(k)] for k in rng_of(seed, "order", name).permutation(len(able))]
        for number in range(limit or len(order)) if order else ():
            source, again = order[number % len(order)], number // len(order)
            words = (name, source.id, str(again)) if again else (name, source.id)
            recipe = edit.make(library.pool, source, rng_of(seed, *words))
            if recipe.key not in made:
                made.add(recipe.key)
                yield source.id, recipe


def _found(library: Library) -> Iterator[dict[str, Any]]:
    """Edits that were in the folder already: the same seconds as their source, as far as the library has them."""
    by_source = {reference.source: reference for reference in library.references}
    for source in library.everything:
        reference = by_source.get(source.id)
        for path, duration in source.others if reference else ():
            if abs(duration - source.duration) > SAME_LENGTH or reference is None:
                continue
            end = round(min(duration, reference.end), 3)
            span = [reference.offset, round(end + reference.offset, 3)]
            segment = {"reference": reference.id, "query": [0.0, end], "reference_span": span, "edit": "found"}
            yield {"id": f"found/{Path(path).parent.name}/{Path(path).name}", "video": path, "segments": [segment]}


def _told(done: int, total: int, began: float) -> None:
    if sys.stderr.isatty() or done % 50 == 0 or done == total:
        end = "\r" if sys.stderr.isatty() and done < total else "\n"
        print(f"{done} of {total} videos, {time.monotonic() - began:.0f} s", end=end, file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Draw:
    """What is made: the same draw of the same clips gives the same bench."""

    seed: int = 0
    split: Split | None = None  # which half of the families; None: both
    edits: Sequence[str] = ()  # only these, and no negatives; empty: everything
    limit: int = 0  # sources of each edit; 0: all


def make_bench(
    clips: Path, out: Path, draw: Draw, *, jobs: int = 1, on_progress: Callable[[int, int, float], None] = _told
) -> dict[str, Any]:
    """Writes OUT/manifest.json and OUT/parameters.json and the videos they name; returns the manifest.

    What exists already is kept, so a second call costs a second. Raises BenchError, and ValueError for unknown edits.
    """
    names, seed = edit_names(draw.edits), draw.seed
    out = out.resolve()
    videos = out / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    sources = find_sources(clips.resolve(), out, draw.split, jobs)
    library = build_library(sources, seed, videos)
    planned = list(copies(library, seed, names, draw.limit))
    if not draw.edits:
        each = NEGATIVE_EDITS
        planned += [*negatives(library, seed, each), *intro_queries(library, seed, 2 * each)]
    proxies, began, done = {s.id: s.proxy for s in sources}, time.monotonic(), 0
    rows, drawn, numbers = [], {}, {}
    with ThreadPoolExecutor(jobs) as pool:
        made = pool.map(lambda item: render(item[1], proxies, videos, item[1].edit), planned)
        for (source, recipe), path in zip(planned, made, strict=True):
            done += 1
            on_progress(done, len(planned), began)
            name = f"{recipe.edit}/{source}"
            numbers[name] = numbers.get(name, 0) + 1
            name += f"#{numbers[name]}" if numbers[name] > 1 else ""
            segments = [segment.as_dict() for segment in truth_of(recipe, library.references)]
            rows.append({"id": name, "video": os.path.relpath(path, out), "segments": segments})
            drawn[name] = _parameters(source, recipe)
    rows += _found(library) if not draw.edits else []
    return _write(out, library, rows, drawn, {"seed": seed, "split": draw.split or "all", "limit": draw.limit})


def _parameters(source: str, recipe: Recipe) -> dict[str, Any]:
    pieces = [
        {"source": p.source, "start": p.start, "end": p.end, "speed": p.speed, "reversed": p.reversed, "hold": p.hold}
        for track in recipe.tracks
        for p in track
    ]
    told: dict[str, Any] = {"edit": recipe.edit, "source": source, "seconds": round(recipe.seconds, 3)}
    return told | {"layout": recipe.layout, "negative": recipe.negative, "params": recipe.params, "pieces": pieces}


def _write(
    out: Path, library: Library, rows: list[dict[str, Any]], drawn: dict[str, Any], asked: dict[str, Any]
) -> dict[str, Any]:
    manifest = {
        "references": [{"id": r.id, "video": _named(out, r.video)} for r in library.references],
        "queries": rows,
    }
    flat = sorted(s.id for s in library.everything if s.detail < MIN_DETAIL)
    about: list[Source] = list(library.everything)
    told = {
        **asked,
        "outside": sorted(s.id for s in library.pool.outsiders),
        "too_plain_to_copy": flat,
        "other_takes": {s.id: [round(begin, 3), s.duration, s.fixed_camera] for s, begin in library.takes},
        "sources": {s.id: {"seconds": s.duration, "steadiness": s.steadiness, "detail": s.detail} for s in about},
        "queries": drawn,
    }
    for name, content in ((MANIFEST, manifest), (PARAMETERS, told)):
        part = out / f".{name}.part"
        part.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(out / name)
    return manifest


def _named(out: Path, video: str) -> str:
    path = Path(video)
    return os.path.relpath(path, out) if path.is_relative_to(out) else video
