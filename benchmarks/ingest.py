"""What a whole ingest pass costs beside its two halves alone: decoding with PyAV, and embedding the same frames.

    python -m benchmarks.ingest FOLDER_OR_FILES... [--repeat 3] [--threads 2] [--database] [--json]

Per clip, in turn and ``--repeat`` times, medians are kept:
  decode    a plain PyAV loop over every frame, no conversion, PyAV's default threading (slices)
  decode*   the same with thread_type AUTO (frames and slices), which is what our decoder asks for: a harder baseline
  embed     both embedders on the frames that ingest keeps: quality, copies in every look, semantic; frames in memory
  ingest    worker.indexing.video.index_video with everything: sandboxed child, shots, embedding, pictures to a folder
  stored    with ``--database``: the same into the configured database (migrated), subtitles and rows included; the
            rows belong to model versions of their own and are removed afterwards
``ratio`` is ingest / max(decode, embed), ``ratio*`` the same against decode*. Models are loaded before the first clip.
A clip whose kept frames do not fit into memory at once (about 0.35 MB each) is too long for this comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import av
import torch

from benchmarks.figures import Figure, hand_over
from worker.embedders.base import Embedder
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.embedders.copies.quality import frame_quality
from worker.embedders.registry import load_copy, load_semantic
from worker.indexing.fingerprints import Fingerprinter
from worker.indexing.video import BATCH, index_video
from worker.media.decode.stream import open_frames
from worker.media.errors import MediaError
from worker.types import SampledFrame

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".flv", ".gif"}
LONG_SECONDS = 2.0  # clips whose halves take less are mostly the start of the child process
Store = Callable[[Path], float]


@dataclass
class Clip:
    """Medians in seconds; ``stored`` is None without a database."""

    name: str
    frames: int  # decoded by PyAV
    frames_ingest: int  # decoded by our child: a difference means that the two did not do the same work
    sampled: int
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.seconds["ingest"] / max(self.seconds["decode"], self.seconds["embed"])

    @property
    def ratio_auto(self) -> float:
        return self.seconds["ingest"] / max(self.seconds["decode*"], self.seconds["embed"])


def timed(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def decode_alone(path: Path, thread_type: str | None) -> int:
    """Decodes every frame of the first picture track and throws it away; returns how many."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if thread_type is not None:
            stream.thread_type = thread_type
        return sum(1 for _ in container.decode(stream))


def embed_alone(frames: list[SampledFrame], semantic: Embedder, copy: CopyDescriptor) -> None:
    """The calls of worker.indexing.video.Indexer, in its batches."""
    seconds = frames[-1].time if frames else 0.0
    fingerprinter = Fingerprinter(copy, "library", seconds)
    for start in range(0, len(frames), BATCH):
        part = frames[start : start + BATCH]
        images = [frame.image for frame in part]
        fingerprinter.add(part, frame_quality(images))
        semantic.encode_frames(images)
    fingerprinter.finish(seconds)


def whole_pass(path: Path, semantic: Embedder, copy: CopyDescriptor) -> float:
    with tempfile.TemporaryDirectory(prefix="vsearch-bench-") as folder:
        return timed(lambda: index_video(path, semantic=semantic, copy=copy, folder=Path(folder)))


@contextmanager
def storing(semantic: Embedder, copy: CopyDescriptor, folders: tuple[Path, Path]) -> Iterator[Store]:
    """A function that ingests one file into the configured database, gives the seconds and removes the video."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
    import django

    django.setup()
    from django.db import transaction

    from apps.embeddings.models import ModelVersion
    from apps.embeddings.vector_index import PgVectorIndex
    from apps.videos.ingest import video_mark_ready, video_store_index
    from apps.videos.job_kinds import video_drop_derived
    from apps.videos.models import Video
    from worker.library.vectors import store_clips, store_fingerprint
    from worker.media.derived.subtitles import extract_subtitles

    versions = [
        ModelVersion.objects.create(
            role=e.spec.role, name="benchmark", dim=e.spec.dim, folder=str(f), state=ModelVersion.State.READY
        )
        for e, f in zip((semantic, copy), folders, strict=True)
    ]
    index = PgVectorIndex()

    def ingest(video: Video) -> None:
        video.folder.mkdir(parents=True, exist_ok=True)
        result = index_video(video.path, semantic=semantic, copy=copy, folder=video.folder)
        result.cues = extract_subtitles(video.path, result.facts)
        with transaction.atomic():
            video_store_index(
                video_id=video.id,
                duration_seconds=result.duration,
                shots=[(s.start, s.end, s.key_time) for s in result.shots],
                subtitles=[(c.start, c.end, c.text, c.language, c.track) for c in result.cues],
            )
            store_clips(index, video, versions[0], result)
            store_fingerprint(index, video, versions[1], result.fingerprint)
            video_mark_ready(video_id=video.id)

    def store(path: Path) -> float:
        video = Video.objects.create(
            sha256=uuid4().hex * 2, title="benchmark", original_name=path.name, source=Video.Source.IMPORT,
            path=str(path.resolve()),
        )  # fmt: skip
        try:
            return timed(lambda: ingest(video))
        finally:
            video_drop_derived(video=video, keep_original=True)
            index.delete_video(video.id)
            video.delete()

    try:
        yield store
    finally:
        for version in versions:
            version.delete()


def measure(path: Path, repeat: int, semantic: Embedder, copy: CopyDescriptor, store: Store | None) -> Clip:
    """Raises MediaError when ingest refuses the file."""
    with open_frames(path) as stream:
        frames = list(stream)
        frames_ingest = stream.frames_decoded
    clip = Clip(path.name, decode_alone(path, None), frames_ingest, len(frames))
    kinds: dict[str, Callable[[], float]] = {
        "decode": lambda: timed(lambda: decode_alone(path, None)),
        "decode*": lambda: timed(lambda: decode_alone(path, "AUTO")),
        "embed": lambda: timed(lambda: embed_alone(frames, semantic, copy)),
        "ingest": lambda: whole_pass(path, semantic, copy),
    }
    if store is not None:
        kinds["stored"] = lambda: store(path)
    taken: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(repeat):  # in turn, so that a slow minute of the machine hits all of them
        for kind, run in kinds.items():
            taken[kind].append(run())
    clip.seconds = {kind: statistics.median(values) for kind, values in taken.items()}
    return clip


def total(name: str, clips: list[Clip]) -> Clip:
    """The clips as one: the ratio is of the sums, so short clips weigh what they cost."""
    seconds = {kind: sum(c.seconds[kind] for c in clips) for kind in clips[0].seconds}
    return Clip(
        name, sum(c.frames for c in clips), sum(c.frames_ingest for c in clips), sum(c.sampled for c in clips), seconds
    )


def totals(clips: list[Clip]) -> list[Clip]:
    long = [c for c in clips if max(c.seconds["decode"], c.seconds["embed"]) >= LONG_SECONDS]
    every = [total(f"all {len(clips)} clips", clips)]
    return every + ([total(f"{len(long)} clips of {LONG_SECONDS:g} s and more", long)] if long else [])


def row(clip: Clip) -> dict[str, Any]:
    seconds = {kind: round(value, 4) for kind, value in clip.seconds.items()}
    return {
        "clip": clip.name, "frames": clip.frames, "frames_ingest": clip.frames_ingest, "sampled": clip.sampled,
        "seconds": seconds, "ratio": round(clip.ratio, 3), "ratio_auto": round(clip.ratio_auto, 3),
    }  # fmt: skip


def table(clips: list[Clip]) -> str:
    kinds = list(clips[0].seconds)
    head = ["clip", "frames", "sampled", *(f"{kind} s" for kind in kinds), "ratio", "ratio*"]
    lines = [" | ".join(head), " | ".join(["---"] + ["---:"] * (len(head) - 1))]
    for clip in clips:
        frames = f"{clip.frames}" if clip.frames == clip.frames_ingest else f"{clip.frames} (ours {clip.frames_ingest})"
        numbers = [f"{clip.seconds[kind]:.2f}" for kind in kinds]
        lines.append(
            " | ".join([clip.name, frames, str(clip.sampled), *numbers, f"{clip.ratio:.2f}", f"{clip.ratio_auto:.2f}"])
        )
    return "\n".join(f"| {line} |" for line in lines)


def find_clips(paths: list[Path]) -> list[Path]:
    found = [[p] if p.is_file() else sorted(q for q in p.rglob("*") if q.suffix.lower() in SUFFIXES) for p in paths]
    return [path for group in found for path in group]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+", help="folders or files")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit", type=int, help="only the first so many clips")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of torch; workers of `up` use all")
    parser.add_argument("--semantic", type=Path, default=ROOT / "models" / "semantic")
    parser.add_argument("--copy", type=Path, default=ROOT / "models" / "copy")
    parser.add_argument("--database", action="store_true", help="also with writes to the configured database")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    paths = find_clips(options.clips)[: options.limit]
    if not paths:
        raise SystemExit(f"no video files in {', '.join(map(str, options.clips))}")
    torch.set_num_threads(options.threads)
    semantic, copy = load_semantic(options.semantic, "bundled", ""), load_copy(options.copy)
    clips, refused = [], {}
    with storing(semantic, copy, (options.semantic, options.copy)) if options.database else no_store() as store:
        whole_pass(paths[0], semantic, copy)  # weights are read and threads started
        for path in paths:
            try:
                clips.append(measure(path, options.repeat, semantic, copy, store))
            except MediaError as error:
                refused[path.name] = str(error)
    if not clips:
        raise SystemExit(f"every file was refused: {refused}")
    for part in totals(clips):
        slower = max(("decode", "embed"), key=lambda kind: part.seconds[kind])
        baseline = f"{slower} alone, same frames"
        hand_over(Figure(f"whole pass, {part.name}", part.seconds["ingest"], "s", baseline, part.seconds[slower]))
    if options.json:
        report = {"threads": options.threads, "cores": os.cpu_count(), "repeat": options.repeat, "refused": refused}
        print(
            json.dumps(report | {"clips": [row(c) for c in clips], "total": [row(c) for c in totals(clips)]}, indent=2)
        )
        return
    print(f"{os.cpu_count()} cores, {options.threads} threads of torch, median of {options.repeat}\n")
    print(table(clips + totals(clips)))
    for name, reason in refused.items():
        print(f"refused: {name}: {reason}")


@contextmanager
def no_store() -> Iterator[None]:
    yield None


if __name__ == "__main__":
    main()
