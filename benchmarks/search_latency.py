"""How long a text query takes: the vector index, its baselines, and the whole way over HTTP.

    python benchmarks/search_latency.py [--clips 10000] [--dim 256] [--queries 200] [--url http://127.0.0.1:8000]

Fills the configured database with synthetic clips under a model version of their own (never in use), measures, and
removes them. ``--url``: a running server; its own library is asked then, not the synthetic clips, unless ``--serve``
puts the synthetic version in use for the time of the measurement (on a database that nobody else uses!). ``--start``
is a command that starts a server on that address: the first query after it became ready is timed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import django
import numpy as np

from benchmarks.figures import Figure, hand_over

ROOT = Path(__file__).resolve().parent.parent
CLIPS_A_VIDEO = 50
WORDS = ["dog", "beach", "car", "night", "snow", "people", "kitchen", "red", "boat", "street", "child", "train"]


def _setup() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    django.setup()


def _directions(count: int, dim: int, seed: int) -> np.ndarray:
    """(count, dim) unit vectors in 200 loose clusters: real clips are not spread evenly either."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(1).normal(size=(200, dim))
    vectors = centres[rng.integers(200, size=count)] + 1.2 * rng.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _milliseconds(call: Callable[[int], Any], count: int) -> dict[str, float]:
    for warmup in range(min(5, count)):
        call(warmup)
    taken = []
    for number in range(count):
        started = time.perf_counter()
        call(number)
        taken.append(1000 * (time.perf_counter() - started))
    taken.sort()
    return {"p50_ms": round(statistics.median(taken), 2), "p95_ms": round(taken[int(0.95 * (len(taken) - 1))], 2)}


@contextmanager
def _library(vectors: np.ndarray, serve_folder: str) -> Iterator[tuple[UUID, dict[str, float]]]:
    """Videos with their clips under a temporary model version; all of it is gone afterwards."""
    from django.db import connection, transaction

    from apps.embeddings.models import ModelVersion
    from apps.embeddings.vector_index import PgVectorIndex
    from apps.videos.models import Video

    index = PgVectorIndex()
    version = ModelVersion.objects.create(
        role="semantic", name="benchmark", dim=vectors.shape[1], folder=serve_folder, state=ModelVersion.State.READY
    )
    parts = [vectors[at : at + CLIPS_A_VIDEO] for at in range(0, len(vectors), CLIPS_A_VIDEO)]
    videos = [
        Video(
            sha256=uuid4().hex * 2,
            title=f"synthetic {number}",
            original_name="synthetic",
            source=Video.Source.IMPORT,
            path="synthetic",
            state=Video.State.READY,
            duration_seconds=4.0 * CLIPS_A_VIDEO,
        )
        for number in range(len(parts))
    ]
    ids = [video.id for video in videos]
    try:
        Video.objects.bulk_create(videos, batch_size=500)
        started = time.perf_counter()
        with transaction.atomic():
            for video_id, part in zip(ids, parts, strict=True):
                rows = [(i, 4.0 * i, 4.0 * i + 4.0, vector) for i, vector in enumerate(part)]
                index.upsert("clip", video_id, version.id, rows)
        copied = time.perf_counter() - started
        started = time.perf_counter()
        index.ensure_index("clip", version.id, vectors.shape[1])
        built = time.perf_counter() - started
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE embeddings_clipembedding")
        yield version.id, {"copy_rows_per_s": round(len(vectors) / copied), "index_build_s": round(built, 1)}
    finally:
        index.drop_index("clip", version.id)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM embeddings_clipembedding WHERE model_version_id = %s", [version.id])
        Video.objects.filter(id__in=ids).delete()
        version.delete()


@contextmanager
def _serving(version_id: UUID) -> Iterator[None]:
    from django.db import transaction

    from apps.embeddings.models import ModelVersion

    State = ModelVersion.State
    before = ModelVersion.objects.filter(role="semantic", state=State.SERVING).first()
    with transaction.atomic():
        ModelVersion.objects.filter(role="semantic", state=State.SERVING).update(state=State.READY)
        ModelVersion.objects.filter(id=version_id).update(state=State.SERVING)
    try:
        yield
    finally:
        with transaction.atomic():
            ModelVersion.objects.filter(id=version_id).update(state=State.READY)
            if before is not None:
                ModelVersion.objects.filter(id=before.id).update(state=State.SERVING)


def _indexed(version_id: UUID, vectors: np.ndarray, queries: np.ndarray, k: int) -> dict[str, Any]:
    """The index as search uses it, the same through HNSW only, and the exact scans beside them."""
    from django.db import connection, transaction

    from apps.embeddings.vector_index import PgVectorIndex

    index = PgVectorIndex()
    halves = vectors.astype(np.float16).astype(np.float32)

    def by(exactness: str) -> Callable[[int], Any]:
        return lambda i: index.search("clip", version_id, queries[i % len(queries)][None], k, exactness=exactness)

    def in_memory(i: int) -> Any:
        scores = halves @ queries[i % len(queries)]
        best = np.argpartition(-scores, k)[:k]
        return best[np.argsort(-scores[best])]

    def plain_sql(i: int) -> Any:
        text = "[" + ",".join(str(float(x)) for x in queries[i % len(queries)]) + "]"
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = off")
            cursor.execute(
                "SELECT video_id, ordinal FROM embeddings_clipembedding WHERE model_version_id = %s"
                f" ORDER BY embedding::halfvec({vectors.shape[1]}) <#> %s LIMIT %s",
                [version_id, text, k],
            )
            return cursor.fetchall()

    count = len(queries)
    slow = min(count, 30)
    found = index.search("clip", version_id, queries[:20], k, exactness="approximate")
    truth = index.search("clip", version_id, queries[:20], k, exactness="exact")
    shared = [
        len({(h.video_id, h.ordinal) for h in a} & {(h.video_id, h.ordinal) for h in b}) / k
        for a, b in zip(found, truth, strict=True)
    ]
    return {
        "VectorIndex.search auto": _milliseconds(by("auto"), count),
        "VectorIndex.search through HNSW": _milliseconds(by("approximate"), count)
        | {"recall": round(float(np.mean(shared)), 4)},
        "baseline: numpy exact scan in memory": _milliseconds(in_memory, count),
        "baseline: SQL sequential exact scan": _milliseconds(plain_sql, slow),
    }


def _fetch(url: str, text: str) -> dict[str, Any]:
    address = f"{url}/api/v1/search?" + urllib.parse.urlencode({"q": text, "limit": 20})
    with urllib.request.urlopen(address, timeout=60) as response:  # noqa: S310  the address was typed by the operator
        answer: dict[str, Any] = json.load(response)
        return answer


def _over_http(url: str, count: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    texts = [" ".join(rng.choice(WORDS, 4)) for _ in range(count)]
    answer = _fetch(url, texts[0])
    figures = _milliseconds(lambda i: _fetch(url, texts[i]), count)
    return {f"HTTP, warm, {answer['index']['searchable']} videos": figures}


@contextmanager
def _started(command: str, url: str) -> Iterator[dict[str, float]]:
    """Start a server, wait for /healthz, time the first query; ``{}`` when there is nothing to start."""
    if not command:
        yield {}
        return
    server = subprocess.Popen(shlex.split(command), cwd=ROOT, start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=2).close()  # noqa: S310
                break
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.05)
        begun = time.perf_counter()
        _fetch(url, "a dog on the beach at night")
        yield {"first query after start_ms": round(1000 * (time.perf_counter() - begun), 1)}
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("-k", type=int, default=200, help="hits of one query; a first page looks at 200")
    parser.add_argument("--url", default="", help="a running server to ask over HTTP")
    parser.add_argument("--start", default="", help="command that starts a server at --url")
    parser.add_argument(
        "--serve", default="", metavar="FOLDER", help="folder with text.onnx; the clips are searched meanwhile"
    )
    options = parser.parse_args()
    _setup()
    from vsearch.postgres import embedded

    vectors, queries = _directions(options.clips, options.dim, 2), _directions(options.queries, options.dim, 3)
    report: dict[str, Any] = {"clips": options.clips, "dim": options.dim, "k": options.k, "cores": os.cpu_count()}
    with embedded.for_database(), _library(vectors, options.serve) as (version_id, made):
        measured = _indexed(version_id, vectors, queries, options.k)
        report |= made | measured
        if options.url and options.serve:
            with _serving(version_id), _started(options.start, options.url) as first:
                report |= first | _over_http(options.url, options.queries)
    if options.url and not options.serve:
        with _started(options.start, options.url) as first:
            report |= first | _over_http(options.url, options.queries)
    for kind in ("auto", "through HNSW"):
        value, baseline = measured[f"VectorIndex.search {kind}"]["p95_ms"], "SQL sequential exact scan"
        what = f"{options.clips} clips, {kind}, p95"
        hand_over(Figure(what, value, "ms", baseline, measured[f"baseline: {baseline}"]["p95_ms"]))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
