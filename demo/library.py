"""Renders a whole library: original clips, edited copies of some of them, and the manifest that tells all of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from demo.copies import EDITS, describe_copy, plan_copies, render_copy
from demo.encode import PARTIAL_FOLDER, render_clip
from demo.manifest import Manifest, recipes_on_record
from demo.naming import name_clips
from demo.recipes import LIBRARY_CLIPS, plan_library

DEFAULT_SEED = 7
Progress = Callable[[int, int, str], None]
Job = tuple[str, Callable[[], None]]  # the file it makes, and the making


def render_library(
    out: Path,
    *,
    seed: int = DEFAULT_SEED,
    workers: int | None = None,
    progress: Progress | None = None,
    clips: int = LIBRARY_CLIPS,
    copies: int = len(EDITS),
) -> Manifest:
    """Makes the files that are missing in ``out`` and returns what it holds; a second call renders nothing.

    ``progress(done, total, file)`` is called after each file. Safe to interrupt: files appear complete or not at all,
    and the manifest lists only finished ones. Raises RenderError when ffmpeg fails.
    """
    out.mkdir(parents=True, exist_ok=True)
    plans = plan_library(seed, clips)
    entries = name_clips(plans)
    copy_plans = plan_copies(seed, entries, copies)
    whole = Manifest(seed, entries, [describe_copy(plan) for plan in copy_plans])
    on_record = recipes_on_record(out)
    wanted = {clip.file: clip.recipe for clip in whole.clips} | {copy.file: copy.recipe for copy in whole.copies}
    done = {file for file, recipe in wanted.items() if on_record.get(file) == recipe and (out / file).is_file()}

    def finished(file: str) -> None:
        done.add(file)
        whole.only(done).write(out)
        if progress:
            progress(len(done), len(wanted), file)

    originals: list[Job] = [
        (entry.file, partial(render_clip, plan, out / entry.file, entry.subtitles))
        for plan, entry in zip(plans, entries, strict=True)
        if entry.file not in done
    ]
    edited: list[Job] = [
        (plan.edit.file, partial(render_copy, plan, out)) for plan in copy_plans if plan.edit.file not in done
    ]
    if originals or edited:
        with _runner(workers or os.cpu_count() or 1) as run:
            for jobs in (originals, edited):  # copies need their sources finished
                for file in run(jobs):
                    finished(file)
        shutil.rmtree(out / PARTIAL_FOLDER, ignore_errors=True)
    whole.write(out)
    return whole


@contextmanager
def _runner(workers: int) -> Iterator[Callable[[list[Job]], Iterator[str]]]:
    """Yields a function that runs jobs and gives each file's name as it is finished."""
    if workers == 1:

        def in_turn(jobs: list[Job]) -> Iterator[str]:
            for file, work in jobs:
                work()
                yield file

        yield in_turn
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:

        def side_by_side(jobs: list[Job]) -> Iterator[str]:
            waiting: dict[Future[None], str] = {pool.submit(work): file for file, work in jobs}
            try:
                for future in as_completed(waiting):
                    future.result()
                    yield waiting[future]
            finally:
                for future in waiting:
                    future.cancel()

        yield side_by_side
