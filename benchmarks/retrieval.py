"""Text-image retrieval of a semantic model on the Flickr8k dev images, and text -> clip on the demo library.

    python -m benchmarks.retrieval --flickr FOLDER | --pack PACK [--demo FOLDER] [--model models/semantic] [--json]

--flickr: folder with flickr8k_160.tar.gz; --pack: a training pack (worker.pretraining.imagesets), its Flickr dev rows.
--demo: a library of ``python -m demo FOLDER --seed 7`` (rendered there if missing; held out: training refuses seeds
below 100). Each caption is a query; a video scores by its best clip and counts as right when it has that caption.

Beside the model: the same towers with random weights (bundled model only), and chance, computed exactly. Image -> text
counts as the Flickr literature does, the rank of the best of an image's captions among all captions; ``manage.py
evaluate`` counts as the video literature does, the rank of an image by its best caption among all images. Intervals
are 95 %, bootstrapped over images (videos), because captions of one image are no independent queries.
"""

from __future__ import annotations

import argparse
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BertConfig

from benchmarks.figures import Figure, hand_over
from worker.embedders.base import Embedder
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.towers import ImageTower, TextTower
from worker.evaluation.intervals import mean_interval
from worker.evaluation.retrieval import CUTOFFS, ranks, relevance_of
from worker.indexing.video import Indexer
from worker.media.decode.stream import open_frames
from worker.pretraining.imagesets import load_pack
from worker.training.measuring import best_clip_scores, text_vectors

ROOT = Path(__file__).resolve().parent.parent
DEMO_SEED = 7


@dataclass
class Score:
    """One direction of one model; recalls in per cent, ranks count from 1."""

    recall: dict[int, float]
    interval: dict[int, tuple[float, float]]
    median: float
    mean: float

    def as_dict(self) -> dict[str, Any]:
        recalls = {f"r{k}": {"value": self.recall[k], "interval": self.interval.get(k)} for k in self.recall}
        return recalls | {"median_rank": self.median, "mean_rank": self.mean}

    def cells(self) -> str:
        recalls = [
            f"{value:.1f}" + (" ({:.1f} to {:.1f})".format(*self.interval[k]) if k in self.interval else "")
            for k, value in self.recall.items()
        ]
        return " | ".join([*recalls, f"{self.median:.0f}", f"{self.mean:.1f}"])


def score(similarity: np.ndarray, relevant: np.ndarray, owners: np.ndarray) -> Score:
    """(Q, N) scores and truth; ``owners`` (Q,) numbers the image or video that each query is about."""
    rank = ranks(similarity, relevant)
    hits = {k: 100.0 * (rank <= k) for k in CUTOFFS}
    recall = {k: float(values.mean()) for k, values in hits.items()}
    interval = {k: mean_interval(values, owners) for k, values in hits.items()}
    return Score(recall, interval, float(np.median(rank)), float(rank.mean()))


def chance(relevant: np.ndarray) -> Score:
    """Exactly what a random order gives: the first of m right items among N, averaged over the queries."""
    items = relevant.shape[1]
    counts, weight = np.unique(relevant.sum(1), return_counts=True)
    beyond = np.zeros(items + 1)  # probability that no right item is among the first k
    mean = 0.0
    for m, share in zip(counts, weight / weight.sum(), strict=True):
        missed = np.clip((items - m - np.arange(items)) / (items - np.arange(items)), 0, 1)
        tail = np.concatenate([[1.0], np.cumprod(missed)])
        beyond += share * tail
        mean += share * (items + 1) / (m + 1)
    recall = {k: float(100 * (1 - beyond[min(k, items)])) for k in CUTOFFS}
    return Score(recall, {}, float(np.argmax(beyond <= 0.5)), float(mean))


def untrained(folder: Path) -> BundledEmbedder:
    """The bundled towers as they are before training."""
    torch.manual_seed(0)
    embedder = BundledEmbedder(folder)
    config = embedder.config
    embedder.image = ImageTower(config["dim"], tuple(config["widths"]), tuple(config["blocks"])).eval()
    embedder.text = TextTower(BertConfig(**config["bert"]), config["dim"]).eval()
    return embedder


def flickr_dev(folder: Path) -> tuple[list[np.ndarray], list[list[str]]]:
    """The 1,000 dev images as they are in the archive, and their captions."""
    images, captions = [], []
    with tarfile.open(folder / "flickr8k_160.tar.gz") as archive:
        members = {m.name: m for m in archive.getmembers() if m.isfile()}
        listing = archive.extractfile(members["flickr8k_160/captions_dev.json"])
        assert listing is not None
        told: dict[str, list[str]] = json.load(listing)
        # In the order of the archive: going back in a compressed archive reads it again from its start.
        for member in members.values():
            path = Path(member.name)
            if path.parent.name == "dev" and path.suffix == ".jpg":
                with Image.open(archive.extractfile(member)) as image:  # type: ignore[arg-type]
                    images.append(np.asarray(image.convert("RGB")))
                captions.append(told[path.name])
    return images, captions


def pack_dev(pack: Path) -> tuple[list[np.ndarray], list[list[str]]]:
    images, rows = load_pack(pack)
    keep = [i for i, r in enumerate(rows) if r["split"] == "dev" and r["id"].startswith("flickr/")]
    return [images[i] for i in keep], [rows[i]["captions"] for i in keep]


def on_images(
    models: dict[str, Embedder], images: list[np.ndarray], captions: list[list[str]]
) -> dict[str, dict[str, Score]]:
    """Direction -> model -> score."""
    owners = np.repeat(np.arange(len(images)), [len(c) for c in captions])
    texts = [text for group in captions for text in group]
    relevant = relevance_of(owners.tolist(), range(len(images)))
    found: dict[str, dict[str, Score]] = {"text -> image": {}, "image -> text": {}}
    for name, embedder in models.items():
        similarity = text_vectors(texts, embedder) @ embedder.encode_frames(images).T
        found["text -> image"][name] = score(similarity, relevant, owners)
        found["image -> text"][name] = score(similarity.T, relevant.T, np.arange(len(images)))
    found["text -> image"]["chance"] = chance(relevant)
    found["image -> text"]["chance"] = chance(relevant.T)
    return found


def clip_vectors(models: dict[str, Embedder], path: Path) -> dict[str, np.ndarray]:
    """Clip embeddings (C, D) of one video under every model, decoded once."""
    with open_frames(path) as stream:
        indexers = {name: Indexer(stream.facts, embedder, None, None) for name, embedder in models.items()}
        for frame in stream:
            for indexer in indexers.values():
                indexer.add(frame)
        return {name: np.stack([v for _, v in indexer.finish(stream).clips]) for name, indexer in indexers.items()}


def demo_library(folder: Path, clips: int | None) -> list[dict[str, Any]]:
    """The original clips of the library in ``folder``, rendered there if it holds none; one that is there stays."""
    from demo.library import render_library
    from demo.manifest import MANIFEST_NAME
    from demo.recipes import LIBRARY_CLIPS

    if not (folder / MANIFEST_NAME).is_file():
        render_library(folder, seed=DEMO_SEED, clips=clips or LIBRARY_CLIPS, copies=0)
    manifest = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    if manifest["seed"] != DEMO_SEED or len(manifest["clips"]) < (clips or LIBRARY_CLIPS):
        raise SystemExit(
            f"{folder} is no whole library of seed {DEMO_SEED}: name a new folder, it will be rendered there"
        )
    found: list[dict[str, Any]] = manifest["clips"][:clips]
    return found


def on_demo(models: dict[str, Embedder], folder: Path, clips: int | None) -> dict[str, dict[str, Score]]:
    library = demo_library(folder, clips)
    captions = [list(dict.fromkeys([clip["caption"], *clip["captions"]])) for clip in library]
    owners = np.repeat(np.arange(len(library)), [len(c) for c in captions])
    texts = [text for group in captions for text in group]
    relevant = np.array([[text in group for group in captions] for text in texts])
    vectors = [clip_vectors(models, folder / clip["file"]) for clip in library]
    found: dict[str, Score] = {}
    for name, embedder in models.items():
        asked = text_vectors(texts, embedder)
        starts = np.cumsum([0, *(len(video[name]) for video in vectors[:-1])])
        similarity = best_clip_scores(asked, np.concatenate([video[name] for video in vectors]), starts.tolist())
        found[name] = score(similarity, relevant, owners)
    found["chance"] = chance(relevant)
    return {"text -> clip": found}


def table(found: dict[str, dict[str, Score]]) -> str:
    lines = [
        "| direction | model | R@1 % | R@5 % | R@10 % | median rank | mean rank |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    lines += [f"| {way} | {name} | {s.cells()} |" for way, models in found.items() for name, s in models.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--flickr", type=Path)
    source.add_argument("--pack", type=Path)
    parser.add_argument("--demo", type=Path)
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "semantic")
    parser.add_argument("--limit", type=int, help="only so many images and demo clips, to see that it runs")
    parser.add_argument("--json", action="store_true", help="only JSON; else a table and then JSON")
    options = parser.parse_args()
    if not (options.flickr or options.pack or options.demo):
        parser.error("name at least one of --flickr, --pack and --demo")
    models: dict[str, Embedder] = {options.model.name: load_semantic(options.model, options.model.name, "")}
    if isinstance(models[options.model.name], BundledEmbedder):
        models["untrained"] = untrained(options.model)
    results: dict[str, dict[str, dict[str, Score]]] = {}
    if options.flickr or options.pack:
        images, captions = flickr_dev(options.flickr) if options.flickr else pack_dev(options.pack)
        images, captions = images[: options.limit], captions[: options.limit]
        title = f"Flickr8k dev, {len(images)} images, {sum(map(len, captions))} captions"
        results[title] = on_images(models, images, captions)
    if options.demo:
        results[f"demo library, seed {DEMO_SEED}"] = on_demo(models, options.demo, options.limit)
    for title, ways in results.items():
        for way, scores in ways.items():
            for k in (1, 10):
                ours, others = scores[options.model.name].recall[k], scores["chance"].recall[k]
                hand_over(Figure(f"{title}, {way}, R@{k}", ours, "%", "chance", others))
    if not options.json:
        for title, found in results.items():
            print(f"{title}\n\n{table(found)}\n")
    plain = {t: {w: {n: s.as_dict() for n, s in m.items()} for w, m in f.items()} for t, f in results.items()}
    print(json.dumps(plain, indent=2))


if __name__ == "__main__":
    main()
