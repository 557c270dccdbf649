"""How long a lookup takes after fingerprinting: a one-minute query against many stored frames.

    VSEARCH_DATA_DIR=FOLDER python manage.py migrate
    VSEARCH_DATA_DIR=FOLDER python benchmarks/lookup_speed.py [--frames 1000000] [--queries 20] [--keep | --reuse]

Fills the configured database with synthetic copy descriptors under a model version of its own (never in use), takes
queries of sixty seconds cut and roughened from stored videos in every look that a real query has, times the nearest
frames, the vote and the alignment, and removes everything (``--keep``: not yet; ``--reuse``: measure on what was kept).
Beside it, over as many frames: the exact scan of one matrix product in memory, and the Hamming distances of 256-bit
hashes that vPDQ compares.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import django
import numpy as np

from benchmarks.figures import Figure, hand_over

if TYPE_CHECKING:
    from apps.embeddings.models import ModelVersion

ROOT = Path(__file__).resolve().parent.parent
DIM = 128
FRAMES_A_VIDEO = 500
QUERY_SECONDS = 60
PARTS, TURNS = 12, 4
HASH_QUERY_CHUNK = 20


def _setup() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    django.setup()


def _unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def _footage(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, DIM): shots of about five frames around centres of their own, as footage changes."""
    shots = rng.standard_normal((count // 5 + 1, DIM)).astype(np.float32)
    return _unit(np.repeat(shots, 5, axis=0)[:count] + 0.35 * rng.standard_normal((count, DIM)).astype(np.float32))


def _fill(frames: int) -> tuple[ModelVersion, list[UUID], dict[str, float]]:
    from django.db import connection, transaction

    from apps.embeddings.models import ModelVersion
    from apps.embeddings.vector_index import PgVectorIndex
    from apps.videos.models import Video

    index, rng = PgVectorIndex(), np.random.default_rng(0)
    version = ModelVersion.objects.create(role="copy", name="benchmark", dim=DIM, state=ModelVersion.State.READY)
    ids: list[UUID] = []
    started = time.perf_counter()
    for number in range(frames // FRAMES_A_VIDEO):
        video = Video.objects.create(
            sha256=uuid4().hex * 2, title=f"synthetic {number}", original_name="synthetic", source="import",
            path="synthetic", state=Video.State.READY, duration_seconds=float(FRAMES_A_VIDEO),
        )  # fmt: skip
        ids.append(video.id)
        with transaction.atomic():
            rows = [(i, float(i), True, v) for i, v in enumerate(_footage(FRAMES_A_VIDEO, rng))]
            index.upsert("frame", video.id, version.id, rows)
    copied = time.perf_counter() - started
    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '2GB'")
        cursor.execute("SET max_parallel_maintenance_workers = 0")
    index.ensure_index("frame", version.id, DIM)
    built = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE embeddings_frameembedding")
    return version, ids, {"store_s": round(copied, 1), "index_build_s": round(built, 1)}


def _kept() -> tuple[ModelVersion, list[UUID], dict[str, float]]:
    from apps.embeddings.models import ModelVersion
    from apps.videos.models import Video

    version = ModelVersion.objects.filter(role="copy", name="benchmark").latest("created_at")
    videos = Video.objects.filter(title__startswith="synthetic ", frameembedding__model_version=version)
    return version, list(videos.distinct().values_list("id", flat=True)), {}


def _query(vectors: np.ndarray, rng: np.random.Generator) -> Any:
    """A minute of stored footage, roughened, in all looks: only the whole one is a copy."""
    from worker.types import Descriptors, View

    start = int(rng.integers(0, len(vectors) - QUERY_SECONDS))
    whole = _unit(vectors[start : start + QUERY_SECONDS] + 0.03 * rng.standard_normal((QUERY_SECONDS, DIM)))
    rows = np.arange(QUERY_SECONDS)
    names = [("mirrored", "mirrored")] + [(f"part {i}", "part") for i in range(PARTS)]
    names += [(f"turned {i}", "turned") for i in range(TURNS)]
    views = tuple(
        View(name, kind, rows, _footage(QUERY_SECONDS, rng), mirrored=kind == "mirrored")  # type: ignore[arg-type]
        for name, kind in names
    )
    return Descriptors(whole, rows.astype(float), np.ones(QUERY_SECONDS, bool), float(QUERY_SECONDS), views)


def _summary(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {"p50_s": round(statistics.median(ordered), 3), "p95_s": round(ordered[int(0.95 * (len(ordered) - 1))], 3)}


def _timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _baselines(frames: int) -> dict[str, float]:
    rng = np.random.default_rng(2)
    matrix = _footage(frames, rng)
    query = _footage(QUERY_SECONDS, rng)
    exact = min(_timed(lambda: np.partition(query @ matrix.T, -40, axis=1)) for _ in range(3))
    hashes = rng.integers(0, 2**63, (frames, 4), dtype=np.uint64)
    asked = rng.integers(0, 2**63, (QUERY_SECONDS, 4), dtype=np.uint64)

    def hamming() -> None:
        for row in asked[:HASH_QUERY_CHUNK]:
            (np.bitwise_count(hashes ^ row).sum(1) <= 31).nonzero()

    each = min(_timed(hamming) for _ in range(3)) / HASH_QUERY_CHUNK
    return {
        "exact scan in memory, one look": round(exact, 3),
        "exhaustive scan of 256-bit hashes, one look": round(each * QUERY_SECONDS, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    _setup()
    from apps.embeddings.vector_index import PgVectorIndex
    from apps.videos.models import Video
    from vsearch.postgres import embedded
    from worker.library.matching import find_matches
    from worker.tasks.matching import gallery

    with embedded.for_database():
        version, ids, figures = _kept() if args.reuse else _fill(args.frames)
        index, rng = PgVectorIndex(), np.random.default_rng(1)
        try:
            seconds, hits = [], 0
            for number in range(args.queries + 2):
                target = ids[int(rng.integers(len(ids)))]
                query = _query(index.frames_of(version.id, target).vectors, rng)
                started = time.perf_counter()
                found = find_matches(query, gallery(version))
                if number >= 2:  # the first ones warm the caches
                    seconds.append(time.perf_counter() - started)
                    hits += any(match.video.id == target for match in found)
        finally:
            if not args.keep:
                index.delete_version("frame", version.id)
                Video.objects.filter(id__in=ids).delete()
                version.delete()
    answer = {
        "frames": len(ids) * FRAMES_A_VIDEO,
        **figures,
        "lookup": _summary(seconds),
        "found": f"{hits} of {args.queries}",
    }
    baselines = _baselines(len(ids) * FRAMES_A_VIDEO)
    answer |= baselines
    what = f"lookup of a minute in all looks, {answer['frames']} frames, p95"
    hand_over(*(Figure(what, answer["lookup"]["p95_s"], "s", name, value) for name, value in baselines.items()))
    print(json.dumps(answer, indent=2) if args.json else "\n".join(f"{k}: {v}" for k, v in answer.items()))


if __name__ == "__main__":
    main()
