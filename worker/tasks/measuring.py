"""The candidate and the active version on the same held-out captions and on the guard set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
from django.conf import settings
from numpy.typing import NDArray

from apps.embeddings.models import ModelVersion
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.training.datasets.captions import source_groups
from apps.training.models import Dataset, TrainingRun
from apps.training.promotion.gate import Gain
from apps.training.promotion.reports import Comparison
from apps.videos.models import TextSegment, Video
from worker.embedders.base import Embedder
from worker.library.measuring import both_ways, examples, gain, group_ranks, metrics
from worker.tasks.running import JobFailed
from worker.training.data.features import Features, extract
from worker.training.data.items import Item, ManifestError
from worker.training.data.manifest import manifest_sha256, read_manifest

GUARD_ITEMS = 2000  # more would only take time
GUARD_TITLES = 300
TITLE_DEPTH = 200  # clips a title looks at; who is not among them has no place
HELD_OUT_SHARE = 0.6

Side = tuple[ModelVersion, Embedder]
Report = Callable[[float], None]
StopAsked = Callable[[], bool]


def measure(
    training: TrainingRun, candidate: Side, active: Side, *, progress: Report, stopped: StopAsked
) -> Comparison:
    """Raises JobFailed when the data changed, Interrupted when ``stopped`` says so."""
    held_out = _read(training.dataset.held_out_path, training.dataset.held_out_sha256)
    frames = int(training.recipe.get("frames", 12))
    share = HELD_OUT_SHARE / 2
    first = _features(held_out, candidate, frames, lambda f: progress(share * f), stopped)
    second = _features(held_out, active, frames, lambda f: progress(share * (1 + f)), stopped)
    guard, guard_name = _guard(
        training, candidate, active, frames, lambda f: progress(HELD_OUT_SHARE + 0.4 * f), stopped
    )
    if not len(first):
        return Comparison(guard=guard, guard_name=guard_name)
    if first.ids != second.ids:
        raise JobFailed("media", "A file of the held-out part changed during the evaluation. Evaluate again.")
    mine, theirs = both_ways(first, candidate[1]), both_ways(second, active[1])
    return Comparison(
        videos=len(first),
        queries=len(first.captions),
        metrics={
            "candidate": {"t2v": metrics(mine.t2v), "v2t": metrics(mine.v2t)},
            "active": {"t2v": metrics(theirs.t2v), "v2t": metrics(theirs.v2t)},
        },
        gain=_judged(mine.t2v.rank, theirs.t2v.rank, mine.t2v.source),
        guard=guard,
        guard_name=guard_name,
        examples=examples(first, held_out, mine.t2v.rank, theirs.t2v.rank),
    )


def _read(path: Path, sha256: str) -> list[Item]:
    try:
        items, _ = read_manifest(path)
    except ManifestError as error:
        if error.code == "empty_data":
            return []
        raise JobFailed(error.code, error.message) from error
    if sha256 and manifest_sha256(items) != sha256:
        raise JobFailed(
            "manifest",
            "The held-out part is not what was frozen: files were removed or changed. Create the dataset again.",
        )
    return items


def _features(items: Sequence[Item], side: Side, frames: int, progress: Report, stopped: StopAsked) -> Features:
    cache = Path(settings.TRAINING_DIR) / "evaluations"
    features, _ = extract(items, side[1], cache, frames=frames, progress=progress, stopped=stopped)
    return features


def _judged(mine: NDArray[np.int64], theirs: NDArray[np.int64], source: NDArray[np.int64]) -> Gain:
    """As the gate wants it: the gain of the candidate's ranks over the active version's."""
    found = gain(mine, theirs, source)
    return Gain(found.mean, found.low, found.high, units=found.sources)


def _guard(
    training: TrainingRun, candidate: Side, active: Side, frames: int, progress: Report, stopped: StopAsked
) -> tuple[Gain | None, str]:
    """Datasets that are marked as guard sets, without what was trained on; else the titles of the library."""
    trained = _trained(training)
    items: dict[str, Item] = {}
    names = []
    for dataset in Dataset.objects.filter(guards=True, state=Dataset.State.FROZEN).order_by("created_at"):
        found = [item for item in _readable(Path(dataset.path)) if not _sources(item) & trained]
        items |= {f"{dataset.id}/{item.id}": item for item in found}
        names += [dataset.name] if found else []
    if not items:
        return _titles_guard(trained, candidate, active), "titles of the library"
    chosen = [items[key] for key in sorted(items)]
    chosen = chosen[:: -(-len(chosen) // GUARD_ITEMS)]
    first = _features(chosen, candidate, frames, lambda f: progress(f / 2), stopped)
    second = _features(chosen, active, frames, lambda f: progress((1 + f) / 2), stopped)
    if not len(first) or first.ids != second.ids:
        return None, ", ".join(names)
    mine, theirs = both_ways(first, candidate[1]).t2v, both_ways(second, active[1]).t2v
    return _judged(mine.rank, theirs.rank, mine.source), ", ".join(names)


def _readable(path: Path) -> list[Item]:
    try:
        return read_manifest(path)[0]
    except ManifestError:
        return []  # a guard set whose files are gone guards nothing, which the gate says


def _trained(training: TrainingRun) -> set[str]:
    """Groups and files that the run trained or chose its best epoch on."""
    items = _read(Path(training.dataset.path), "")
    held_out = {item.id for item in _readable(training.dataset.held_out_path)}
    return {name for item in items if item.id not in held_out for name in _sources(item)}


def _sources(item: Item) -> set[str]:
    return {*([f"group {item.group}"] if item.group else []), *(str(path) for path in item.media)}


def _titles_guard(trained: set[str], candidate: Side, active: Side) -> Gain | None:
    """Titles against the index that searches use: does a title still find its video?"""
    groups = source_groups()
    rows = TextSegment.objects.filter(source=TextSegment.Source.TITLE, video__state=Video.State.READY)
    titles = []
    for row in rows.select_related("video").order_by("video_id").iterator():
        group = groups.get(row.video_id, str(row.video_id))
        if len(row.text.split()) > 1 and not {f"group {group}", str(row.video.playable_path)} & trained:
            titles.append((row.text, group))
    titles = titles[:: -(-len(titles) // GUARD_TITLES)] if titles else []
    if not titles:
        return None
    source = np.unique([group for _, group in titles], return_inverse=True)[1]
    mine, theirs = (_title_ranks(side[0], titles, groups) for side in (candidate, active))
    return _judged(mine, theirs, source)


def _title_ranks(version: ModelVersion, titles: list[tuple[str, str]], groups: dict[UUID, str]) -> NDArray[np.int64]:
    vectors = encode_query(version, [text for text, _ in titles])
    answers = PgVectorIndex().search("clip", version.id, vectors, TITLE_DEPTH)
    return group_ranks(answers, [group for _, group in titles], groups, TITLE_DEPTH)
