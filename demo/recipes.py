"""What a library holds: which clips with which shots, decided by a seed alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import numpy as np

from demo.look import Look
from demo.scenes import KINDS, build_scene, look_for
from demo.stage import Scene

LIBRARY_CLIPS = 60
RECIPE_VERSION = 1  # raise it when scenes change, so that clips made before are rendered again


@dataclass(frozen=True, slots=True)
class ShotPlan:
    kind: str
    seed: int
    look: Look
    duration: float

    def build(self, scale: float) -> Scene:
        return build_scene(self.kind, self.seed, self.look, self.duration, scale)


@dataclass(frozen=True, slots=True)
class ClipPlan:
    clip_id: str  # "s7-012"
    shots: tuple[ShotPlan, ...]
    container: str  # "mp4", "webm", ...
    size: tuple[int, int]
    fps: int
    subtitled: bool

    @property
    def duration(self) -> float:
        return sum(shot.duration for shot in self.shots)

    @property
    def caption_seed(self) -> int:
        return self.shots[0].seed ^ 0x5EED


def recipe_hash(plan: object) -> str:
    """Short digest of a plan (a dataclass): the same plan and version, the same pixels."""
    text = json.dumps([RECIPE_VERSION, asdict(plan)], sort_keys=True)  # type: ignore[call-overload]
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _kinds_in_turn(rng: np.random.Generator, count: int) -> list[str]:
    """``count`` kinds, each kind once before any comes again."""
    names: list[str] = []
    while len(names) < count:
        names.extend(str(n) for n in rng.permutation(sorted(KINDS)))
    return names[:count]


def _container(index: int) -> str:
    return {5: "webm", 17: "mkv", 23: "avi", 31: "ts", 38: "gif", 44: "webm", 11: "mkv", 52: "mov"}.get(
        index % 60, "mp4"
    )


def plan_library(seed: int, clips: int = LIBRARY_CLIPS) -> list[ClipPlan]:
    """The clips of the library that ``seed`` decides; about a third have two or three shots."""
    rng = np.random.default_rng([seed, 2026])
    kinds = iter(_kinds_in_turn(rng, clips * 3))
    plans = []
    for index in range(clips):
        many = index % 3 == 1
        shots = []
        for _ in range(int(rng.integers(2, 4)) if many else 1):
            name = next(kinds)
            seconds = float(rng.integers(6, 10)) / 2 if many else float(rng.integers(10, 21)) / 2
            shots.append(ShotPlan(name, int(rng.integers(2**31)), look_for(name, rng), seconds))
        container = _container(index)
        plans.append(
            ClipPlan(
                clip_id=f"s{seed}-{index:03d}",
                shots=tuple(shots),
                container=container,
                size=(384, 216) if index % 5 == 2 else (320, 180),
                fps=10 if container == "gif" else (15, 15, 15, 18, 15, 24)[index % 6],
                subtitled=index in (11, 17, 20, 29),
            )
        )
    return plans
