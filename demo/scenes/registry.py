"""The kinds of scene by name, and how one is set up from a seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from demo.look import TIMES, WEATHERS, Look, pick_look
from demo.stage import Scene, Stage

Builder = Callable[[Stage], Scene]


@dataclass(frozen=True, slots=True)
class Kind:
    name: str
    build: Builder
    times: tuple[str, ...]
    weathers: tuple[str, ...]


KINDS: dict[str, Kind] = {}


def kind(
    name: str, times: tuple[str, ...] = TIMES, weathers: tuple[str, ...] = WEATHERS
) -> Callable[[Builder], Builder]:
    """Registers a scene builder under ``name`` with the looks that suit it."""

    def register(build: Builder) -> Builder:
        KINDS[name] = Kind(name, build, times, weathers)
        return build

    return register


def look_for(name: str, rng: np.random.Generator) -> Look:
    return pick_look(rng, KINDS[name].times, KINDS[name].weathers)


def build_scene(name: str, seed: int, look: Look, duration: float, scale: float) -> Scene:
    """The scene of this kind that ``seed`` decides; the same arguments give the same pixels."""
    return KINDS[name].build(Stage(np.random.default_rng(seed), look, scale, duration))
