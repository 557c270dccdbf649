"""One damaged file through the calls that real files go through, and a look at what is left afterwards."""

from __future__ import annotations

import math
import os
import random
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import mutated
from tests.fuzz.seeds import SEEDS, make_seed
from worker.media.decode.probe import probe
from worker.media.decode.stream import open_frames
from worker.media.derived.proxy import make_proxy
from worker.media.derived.subtitles import extract_subtitles
from worker.media.errors import MESSAGES, MediaError
from worker.media.sandbox.limits import Limits
from worker.types import ProbeFacts

MIB = 1024**2
LIMITS = Limits(
    wall_seconds=120.0, stall_seconds=90.0, cpu_seconds=20, memory_bytes=2048 * MIB, output_bytes=64 * MIB, threads=1,
    input_bytes=64 * MIB, pixels=2048 * 2048, duration_seconds=3600.0, frames=20_000,
)  # fmt: skip
PROBE_EVERY, DERIVED_EVERY = 4, 4  # inputs that are also probed; ready inputs that also get a proxy and subtitles
NAMES = tuple(SEEDS)


class Wrong(AssertionError):
    """What must not happen: the text says what did."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one input. ``result``: 'ready' or the code of the refusal, then what is worth a look."""

    number: int
    seed: str
    damage: list[str]
    result: str
    seconds: float


class Harness:
    """Makes input ``number`` and tries it, all in ``folder``. The same number is the same input on every machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seeds: dict[str, bytes] = {}
        self.work = folder / "work"
        shutil.rmtree(self.work, ignore_errors=True)  # of a run that was stopped
        self.work.mkdir(parents=True)
        self.before = Leftovers.now(self.work)

    def input(self, number: int) -> tuple[str, list[str], bytes]:
        """Seed name, damages, bytes. The seeds take turns, so that any long run tries all of them."""
        name = NAMES[number % len(NAMES)]
        if name not in self._seeds:
            place = self.folder / "seeds"
            self._seeds[name] = make_seed(name, place)
            shutil.rmtree(place)
        data, done = mutated(self._seeds[name], random.Random(number))
        return name, done, data

    def attempt(self, number: int) -> Outcome:
        """Raises Wrong when the outcome is none that people can be told, or when anything stays behind."""
        name, done, data = self.input(number)
        path = self.work / f"{number}.{name.split()[0]}"
        path.write_bytes(data)
        began = time.monotonic()
        result = self._result(path, number)
        path.unlink()
        after = Leftovers.now(self.work)
        if after != self.before:
            raise Wrong(f"left behind: {after} instead of {self.before}")
        return Outcome(number, name, done, result, round(time.monotonic() - began, 2))

    def _result(self, path: Path, number: int) -> str:
        probed = told(lambda: check_facts(probe(path, limits=LIMITS))) if number % PROBE_EVERY == 0 else None
        facts: list[ProbeFacts] = []
        streamed = told(lambda: facts.append(stream(path)))
        if probed is not None and probed != "ready" and streamed == "ready":
            raise Wrong(f"refused by probe as {probed}, but decoded")
        if streamed == "ready" and number % DERIVED_EVERY == 0:
            streamed += self._derived(path, facts[0])
        return streamed

    def _derived(self, path: Path, facts: ProbeFacts) -> str:
        told(lambda: check_cues(path, facts))
        proxy = self.work / "proxy.mp4"
        made = told(lambda: make_proxy(path, proxy, facts=facts, limits=LIMITS), allowed=("tool_failed",))
        proxy.unlink(missing_ok=True)
        return "" if made == "ready" else f", proxy {made}"


def told(work: object, allowed: Iterable[str] = ()) -> str:
    """'ready', or the code of the MediaError, with a remark when the program itself broke."""
    assert callable(work)
    try:
        work()
    except MediaError as error:
        if error.code not in MESSAGES:
            raise Wrong(f"unknown code {error.code}") from error
        if error.code == "tool_failed" and "tool_failed" not in allowed:
            raise Wrong(f"the program ended in an error of its own: {error.detail}") from error
        return error.code + (" (crash in the sandbox)" if "ended with -" in error.detail else "")
    return "ready"


def stream(path: Path) -> ProbeFacts:
    last = -1.0
    with open_frames(path, limits=LIMITS) as opened:
        check_facts(opened.facts)
        for frame in opened:
            if not frame.time > last:
                raise Wrong(f"frame at {frame.time} after {last}")
            last = frame.time
        shots = [(shot.start, shot.end, shot.key_time) for shot in opened.shots]
        if not (last < opened.duration_seconds < 2 * LIMITS.duration_seconds):
            raise Wrong(f"{opened.duration_seconds} s with a frame at {last}")
        if not shots or any(not start <= key <= end for start, end, key in shots):
            raise Wrong(f"shots {shots}")
        return opened.facts


def check_facts(facts: ProbeFacts) -> None:
    numbers = (facts.duration_seconds, facts.frames_per_second, facts.clock_zero, float(facts.bit_rate))
    if not all(map(math.isfinite, numbers)) or min(facts.width, facts.height) < 1 or facts.duration_seconds < 0:
        raise Wrong(f"{facts}")


def check_cues(path: Path, facts: ProbeFacts) -> None:
    for cue in extract_subtitles(path, facts, limits=LIMITS):
        if not (0 <= cue.start < cue.end and cue.text.isprintable()):
            raise Wrong(f"{cue}")


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What this process holds and has started."""

    children: tuple[str, ...]
    descriptors: int
    threads: int
    files: tuple[str, ...]
    shared_memory: tuple[str, ...]

    @classmethod
    def now(cls, work: Path) -> Leftovers:
        return cls(
            children=tuple(_processes(work)),
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            files=tuple(sorted(os.listdir(work))),
            shared_memory=tuple(sorted(_shared_memory())),
        )


def _processes(work: Path) -> list[str]:
    """Our children, and whatever works on a file of ours, however it was started."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if int(status[1]) == os.getpid() or (os.fsencode(work) + b"/") in command:
            found.append(command.decode("utf-8", "replace"))
    return found


def _shared_memory() -> Iterable[str]:
    """Segments that no program uses: those of others on this machine are none of ours."""
    names = os.listdir("/dev/shm")
    used = "".join(_maps()) if names else ""
    return [name for name in names if f"/dev/shm/{name}" not in used and not name.startswith(("PostgreSQL.", "sem."))]


def _maps() -> Iterator[str]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                yield (entry / "maps").read_text()
            except OSError:
                continue  # it ended while we looked
