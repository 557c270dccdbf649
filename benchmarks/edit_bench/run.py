"""Runs copy detectors over a made bench and puts them side by side."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.edit_bench.engines import Engine, load_peer
from benchmarks.edit_bench.make import MANIFEST
from benchmarks.edit_bench.render import BenchError
from worker.evaluation.copy_manifest import CopyManifest, ListedVideo, read_copy_manifest
from worker.evaluation.copy_report import CopyReport, Key, PairPrediction, TrueSegment, as_dict, copy_report, details

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Result:
    """What one engine reached. Times are wall seconds on this machine."""

    name: str
    rule: str
    report: CopyReport
    scores: dict[Key, float]
    seconds_per_video: float | None
    ms_per_pair: float | None
    unreadable: tuple[str, ...]
    more: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        pairs = [[query, reference, round(score, 6)] for (query, reference), score in sorted(self.scores.items())]
        told = {"engine": self.name, "rule": self.rule, **as_dict(self.report), **self.more}
        told |= {"details": details(self.report), "seconds_per_video": self.seconds_per_video}
        return told | {"ms_per_pair": self.ms_per_pair, "unreadable": list(self.unreadable), "scores": pairs}


def truth_of(manifest: CopyManifest) -> dict[Key, list[TrueSegment]]:
    truth: dict[Key, list[TrueSegment]] = {}
    for query in manifest.queries:
        for span in query.segments:
            true = TrueSegment(span.box, span.edit, span.shared_asset)
            truth.setdefault((query.id, span.reference), []).append(true)
    return truth


def run_ours(manifest: CopyManifest, weights: Path | None, aligner: str | None, sampling: str) -> Result:
    """The product's engine, by the code of ``manage.py evaluate copies``."""
    import worker.detection  # noqa: F401  # makes the learned aligners known by name
    from worker.alignment import DEFAULT_ALIGNER
    from worker.embedders.copies.descriptor import CopyDescriptor
    from worker.management.measure_copies import measure_copies

    copy = CopyDescriptor(weights.resolve()) if weights else CopyDescriptor()
    chosen = aligner or DEFAULT_ALIGNER
    measured = measure_copies(manifest, copy=copy, aligner=chosen, sampling=sampling, on_progress=_told)
    done = measured.as_dict()
    more = {key: done[key] for key in ("stored_frames_per_hour", "bytes_per_hour", "seconds_per_query")}
    more |= {"aligner": chosen, "sampling": sampling, "weights_sha256": copy.spec.weights_sha256}
    return Result(
        OURS,
        f"{chosen}, {sampling} sampling, calibrated score",
        measured.report,
        {key: pair.score for key, pair in measured.predictions.items()},
        measured.seconds_per_video,
        measured.ms_per_pair,
        tuple(broken.id for broken in measured.unreadable),
        more,
    )


def run_peer(engine: Engine, manifest: CopyManifest) -> Result:
    """A peer on the same pairs. A video that it cannot read matches nothing and is listed."""
    spent, unreadable = 0.0, []
    described: dict[tuple[str, str], Any] = {}
    videos = [("reference", v) for v in manifest.references] + [("query", v) for v in manifest.queries]
    for number, (role, video) in enumerate(videos):
        began = time.perf_counter()
        try:
            described[(role, video.id)] = engine.describe(video.video)
        except (OSError, ValueError, RuntimeError, UnboundLocalError) as error:  # what the peers were seen to raise
            unreadable.append(f"{video.id}: {type(error).__name__}: {error}"[:200])
        spent += time.perf_counter() - began
        _told(f"{engine.name}: {video.id}", (number + 1) / len(videos))
    scores, matching = _scores(engine, manifest, described)
    predictions = {key: PairPrediction(score, score >= engine.threshold) for key, score in scores.items()}
    report = copy_report(predictions, truth_of(manifest), _ids(manifest.queries), _ids(manifest.references))
    per_pair = 1000 * matching / len(scores) if scores else None
    return Result(engine.name, engine.rule, report, scores, spent / len(videos), per_pair, tuple(unreadable), {})


def _scores(
    engine: Engine, manifest: CopyManifest, described: dict[tuple[str, str], Any]
) -> tuple[dict[Key, float], float]:
    scores: dict[Key, float] = {}
    began = time.perf_counter()
    for query in manifest.queries:
        for reference in manifest.references:
            sides = described.get(("query", query.id)), described.get(("reference", reference.id))
            if sides[0] is not None and sides[1] is not None:
                scores[(query.id, reference.id)] = engine.score(*sides)
    return scores, time.perf_counter() - began


def _ids(videos: Sequence[ListedVideo]) -> list[str]:
    return [video.id for video in videos]


def _told(name: str, share: float) -> None:
    if sys.stderr.isatty():
        print(f"\r{100 * share:3.0f} %  {name[:70]}\033[K", end="", file=sys.stderr, flush=True)


def run_bench(
    out: Path,
    engines: Sequence[str],
    peers: Sequence[Path] = (),
    *,
    weights: Path | None = None,
    aligner: str | None = None,
    sampling: str = "uniform",
    limit: int = 0,
) -> list[Result]:
    """Every engine that can be used; those that cannot are named on stderr. Raises BenchError when none can.

    ``limit``: only the first queries of every edit, for a quick look.
    """
    path = out / MANIFEST
    if not path.is_file():
        raise BenchError(f"there is no bench in {out}: run `python -m benchmarks.edit_bench make CLIPS {out}` first")
    manifest = first_of_each(read_copy_manifest(path), limit)
    results = []
    for name in engines:
        try:
            if name == OURS:
                results.append(run_ours(manifest, weights, aligner, sampling))
            else:
                results.append(run_peer(load_peer(name, list(peers)), manifest))
        except BenchError as error:
            print(f"edit_bench: {error}", file=sys.stderr)
    if not results:
        raise BenchError("no engine could be run")
    return results


def first_of_each(manifest: CopyManifest, limit: int) -> CopyManifest:
    """The first ``limit`` queries of every edit (the part of the id before the first slash); all when 0."""
    counts: dict[str, int] = {}
    kept = []
    for query in manifest.queries:
        kind = query.id.split("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
        if not limit or counts[kind] <= limit:
            kept.append(query)
    return CopyManifest(manifest.references, tuple(kept))


def as_table(results: Sequence[Result]) -> str:
    """Markdown: recall in per cent above every unrelated pair, and in brackets at the engine's own threshold."""
    names = [result.name for result in results]
    lines = [f"| edit | pairs | {' | '.join(names)} |", "|---|---:|" + "---:|" * len(names)]
    for edit, first in results[0].report.by_edit.items():
        cells = [_cell(result.report.by_edit[edit].recall_at_zero_false, result.report.by_edit[edit].recall)
                 for result in results]  # fmt: skip
        lines.append(f"| {edit} | {first.pairs} | {' | '.join(cells)} |")
    reports = [result.report for result in results]
    totals = [_cell(r.recall_at_zero_false or 0.0, 1 - (r.frr or 0.0)) for r in reports]
    lines.append(f"| all copies | {reports[0].true_pairs} | {' | '.join(totals)} |")
    false = [f"{r.false_pairs}" for r in reports]
    lines.append(f"| false at its own threshold | of {reports[0].unrelated_pairs} | {' | '.join(false)} |")
    lines.append(f"| s a video | | {' | '.join(_value(r.seconds_per_video, 2) for r in results)} |")
    lines.append(f"| ms a pair | | {' | '.join(_value(r.ms_per_pair, 3) for r in results)} |")
    lines.append(f"| videos not readable | | {' | '.join(str(len(r.unreadable)) for r in results)} |")
    lines += ["", *(f"- {result.name}: {result.rule}" for result in results)]
    return "\n".join(lines)


def _cell(sure: float, own: float) -> str:
    return f"{100 * sure:.0f} ({100 * own:.0f})"


def _value(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def write_json(results: Sequence[Result], path: Path) -> None:
    rows = [result.as_dict() for result in results]
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
