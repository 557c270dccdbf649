"""Do the published methods help here? One frozen set of features, one budget, several seeds, one table.

    python -m worker.pretraining.semantic.pack --source ARCHIVES --out PACK
    python -m benchmarks.methods --pack PACK --out FOLDER [--seeds 3] [--epochs 6]

Data: the MSR-VTT videos of the pack (up to five frames each) with at most five captions each to train on. Videos are
split by number: every twelfth validates, every twelfth tests, the rest trains. Features: the teacher's pooled frame
features (square root, reduced to 384 dimensions by a PCA of the train split), MiniLM sentence and word vectors. Each
run trains the same head (worker.embedders.semantic.fine_tuned.DualHead) with the product's own loop and differs in
nothing but the named method; the epoch with the best validation R@sum is tested. Runs that are done are read from
FOLDER.

Reported: R@sum of both directions on the test videos, mean over seeds, with a 95 % bootstrap interval over videos of
the mean, and the same for the difference to InfoNCE (the same videos and seeds, paired).
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.figures import Figure, hand_over
from worker.embedders.semantic.fine_tuned import DualHead
from worker.evaluation.directions import both_directions
from worker.evaluation.intervals import mean_interval
from worker.evaluation.retrieval import CUTOFFS
from worker.pretraining.imagesets import ImageRow
from worker.pretraining.semantic.sentences import word_vectors
from worker.training.data.arrays import ragged
from worker.training.data.features import Features
from worker.training.data.words import save_words, with_words
from worker.training.head.encoder import MAX_WORDS, HeadEncoder, HeadModel
from worker.training.loop.epochs import run_epochs
from worker.training.losses import interaction
from worker.training.recipe import Recipe
from worker.training.run import Run

log = logging.getLogger("methods")

DIM, INPUTS, CAPTIONS = 256, 384, 5
RERANKED = "NegNCE + DMAE"
NEG_DMAE = {"neg_nce": 1.0, "dmae": 1.0}
METHODS: dict[str, dict[str, Any]] = {
    "InfoNCE": {"losses": {"info_nce": 1.0}},
    "triplet": {"losses": {"triplet": 1.0}},
    "NegNCE": {"losses": {"neg_nce": 1.0}},
    "InfoNCE + DMAE": {"losses": {"info_nce": 1.0, "dmae": 1.0}},
    "NegNCE + DMAE": {"losses": NEG_DMAE},
    "NegNCE + DMAE + HSCL curriculum": {"losses": {**NEG_DMAE, "hscl": 1.0}},
    "NegNCE + DMAE + hard negatives at once": {
        "losses": {**NEG_DMAE, "hscl": 1.0},
        "settings": {"hscl": {"start": 1.0}},
    },
    "NegNCE + DMAE + TPM-CL": {"losses": {**NEG_DMAE, "tpm_cl": 0.5}},
    "NegNCE + DMAE + S3": {"losses": {**NEG_DMAE, "s3": 0.5}},
    "HSCL curriculum": {"losses": {"hscl": 1.0}},
    "InfoNCE + mined negatives": {"losses": {"info_nce": 1.0}, "mining": True},
    "NegNCE + mined negatives": {"losses": {"neg_nce": 1.0}, "mining": True},
    "InfoNCE, attention pooling": {"losses": {"info_nce": 1.0}, "pooling": "attention"},
    "InfoNCE, temporal transformer": {"losses": {"info_nce": 1.0}, "pooling": "transformer"},
    "InfoNCE, 22 % of the pairs filtered": {"losses": {"info_nce": 1.0}, "filter_percentile": 22.0},
}


def video_split(number: int) -> str:
    return {0: "validation", 1: "test"}.get(number % 12, "train")


def load_data(pack: Path, cache: Path) -> dict[str, Features]:
    """Features of each split, made once and kept in ``cache``."""
    rows: list[ImageRow] = json.loads((pack / "index.json").read_text())
    frames_of: dict[int, list[int]] = {}
    captions_of: dict[int, list[str]] = {}
    for i, row in enumerate(rows):
        source, _, number = row["group"].partition("/")
        if source == "msrvtt":
            frames_of.setdefault(int(number), []).append(i)
            captions_of[int(number)] = list(dict.fromkeys(row["captions"]))
    numbers = sorted(frames_of)
    raw = np.sqrt(np.maximum(np.load(pack / "teacher.npy").astype(np.float32), 0))
    raw /= np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)
    reduced = reduce_by_pca(raw, np.concatenate([frames_of[n] for n in numbers if video_split(n) == "train"]))
    texts: list[str] = json.loads((pack / "sentences.json").read_text())
    place = {text: i for i, text in enumerate(texts)}
    sentences = np.load(pack / "sentences.npy")
    rng = np.random.default_rng(0)
    parts = {}
    for name in ("train", "validation", "test"):
        chosen = [n for n in numbers if video_split(n) == name]
        captions: list[str] = []
        owner: list[int] = []
        for item, n in enumerate(chosen):
            # A fixed choice: the cost of words grows with the captions.
            few = [captions_of[n][i] for i in np.sort(rng.permutation(len(captions_of[n]))[:CAPTIONS])]
            captions += few
            owner += [item] * len(few)
        parts[name] = Features(
            ids=[str(n) for n in chosen],
            captions=captions,
            frames=np.concatenate([reduced[frames_of[n]] for n in chosen]).astype(np.float16),
            frame_start=np.concatenate([[0], np.cumsum([len(frames_of[n]) for n in chosen])]),
            texts=sentences[[place[c] for c in captions]].astype(np.float16),
            owner=np.array(owner),
            weight=np.ones(len(captions), np.float32),
            group=np.arange(len(chosen)),
        )
        parts[name] = with_words(parts[name], words_file(captions, cache / f"words-{name}.npz"), [True] * len(captions))
    return parts


def reduce_by_pca(raw: np.ndarray, train: np.ndarray) -> np.ndarray:
    """(N, 1280) -> (N, INPUTS) unit rows; mean and axes from the train rows."""
    mean = raw[train].mean(0)
    values, axes = np.linalg.eigh(np.cov((raw[train] - mean).T))
    reduced = (raw - mean) @ axes[:, np.argsort(values)[::-1][:INPUTS]]
    return np.asarray(reduced / np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-9), np.float32)


def recipe_of(method: str, seed: int, epochs: int, batch: int) -> Recipe:
    values = METHODS[method]
    plain = Recipe(name="bench", title=method, tier="A", losses=values["losses"], seed=seed, epochs=epochs, batch=batch)
    further = {key: value for key, value in values.items() if key != "losses"}
    return replace(plain, patience=epochs, frames=5, rate=1e-3, dropout=0.2, frame_dropout=0.1, mined=8, **further)


def per_video(encoder: HeadEncoder, name: str, *, rerank: bool = False) -> np.ndarray:
    """(N, 6): per video R@1, 5, 10 in per cent of its captions as queries, then of itself as a query.

    ``rerank``: similarities are the mean of the pooled one and DMAE's interaction of words and frames.
    """
    texts, videos = encoder.vectors(name)
    split = encoder.split(name)
    similarity = texts @ videos.T
    if rerank:
        similarity = (similarity + word_similarity(encoder, name)) / 2
    found = both_directions(similarity, split.owner)
    counts = np.bincount(split.owner)
    columns = [100 * np.bincount(split.owner, found.t2v.rank <= k) / counts for k in CUTOFFS]
    return np.stack([*columns, *(100.0 * (found.v2t.rank <= k) for k in CUTOFFS)], axis=1)


@torch.inference_mode()
def word_similarity(encoder: HeadEncoder, name: str) -> np.ndarray:
    """(C, N) of DMAE's interaction."""
    part, head = encoder.parts[name], encoder.model.head.eval()
    assert part.words is not None and part.word_start is not None and part.word_weight is not None
    everything = np.arange(len(part.captions))
    words, word_mask = ragged(part.words, part.word_start, everything, MAX_WORDS)
    weight, _ = ragged(part.word_weight, part.word_start, everything, MAX_WORDS)
    frames, frame_mask = ragged(part.frames, part.frame_start, np.arange(len(part)), encoder.recipe.frames)
    found = interaction(
        head.text(torch.from_numpy(words)), torch.from_numpy(word_mask), head.video(torch.from_numpy(frames)),
        torch.from_numpy(frame_mask), torch.from_numpy(weight),
    )  # fmt: skip
    head.train()
    return found.numpy()


def reranked(seeds: int, data: dict[str, Features], out: Path, epochs: int, batch: int) -> list[dict[str, Any]]:
    """The NegNCE + DMAE runs again, with the word and frame interaction as a re-ranker at test time."""
    results = []
    for seed in range(seeds):
        done = run(RERANKED, seed, data, out, epochs, batch)
        encoder = HeadEncoder(
            HeadModel(DualHead(INPUTS, INPUTS, DIM, "mean")), data, recipe_of(RERANKED, seed, epochs, batch)
        )
        encoder.model.load_state_dict(load_file(run_folder(RERANKED, seed, out) / "best.safetensors"))
        results.append({**done, "scores": per_video(encoder, "test", rerank=True).tolist()})
    return results


def run_folder(method: str, seed: int, out: Path) -> Path:
    return out / f"{method.replace(' ', '_').replace('%', 'per_cent')}-{seed}"


def run(method: str, seed: int, data: dict[str, Features], out: Path, epochs: int, batch: int) -> dict[str, Any]:
    """One training; its result is kept in ``out``."""
    folder = run_folder(method, seed, out)
    file = folder / "result.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    recipe = recipe_of(method, seed, epochs, batch)
    parts = data
    if recipe.filter_percentile:
        parts = {**data, "train": filtered(data, out, epochs, batch, recipe.filter_percentile)}
    if not recipe.needs_words():
        parts = {name: replace(part, words=None) for name, part in parts.items()}
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    encoder = HeadEncoder(HeadModel(DualHead(INPUTS, INPUTS, DIM, recipe.pooling)), parts, recipe)
    began = time.monotonic()
    state = run_epochs(encoder, Run(folder, recipe), {"recipe_sha256": recipe.sha256()})
    spent = time.monotonic() - began
    encoder.model.load_state_dict(load_file(folder / "best.safetensors"))
    scores = per_video(encoder, "test")
    result = {"scores": scores.tolist(), "best_epoch": state.best_epoch, "seconds": spent, "figures": state.figures}
    file.write_text(json.dumps(result))
    log.info("%s, seed %d: R@sum %.1f in %.0f s", method, seed, scores.mean(0).sum(), spent)
    return result


def filtered(data: dict[str, Features], out: Path, epochs: int, batch: int, percentile: float) -> Features:
    """The train split without the pairs that a plain InfoNCE model (seed 0) finds least alike."""
    from worker.training.data.filtering import filter_pairs

    run("InfoNCE", 0, data, out, epochs, batch)
    plain = HeadEncoder(HeadModel(DualHead(INPUTS, INPUTS, DIM, "mean")), data, recipe_of("InfoNCE", 0, epochs, batch))
    plain.model.load_state_dict(load_file(out / "InfoNCE-0" / "best.safetensors"))
    texts, videos = plain.vectors("train")
    part = data["train"]
    kept = filter_pairs((texts * videos[part.owner]).sum(1), part.owner, percentile=percentile)
    return part.without_captions(np.flatnonzero(~kept.keep))


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown; methods that were not run are left out."""
    base = np.mean([np.array(r["scores"]) for r in results["InfoNCE"]], axis=0)  # (N, 6)
    lines = [
        "| method | text to video R@1/5/10 | video to text R@1/5/10 | R@sum | against InfoNCE | seeds | s a run |",
        "|---|---|---|---:|---:|---:|---:|",
    ]
    for method, runs in results.items():
        scores = np.mean([np.array(r["scores"]) for r in runs], axis=0)
        total = scores.sum(1)
        low, high = mean_interval(total)
        mean = scores.mean(0)
        gain = total - base.sum(1)
        gain_low, gain_high = mean_interval(gain)
        against = "" if method == "InfoNCE" else f"{gain.mean():+.1f} ({gain_low:+.1f} to {gain_high:+.1f})"
        seconds = np.mean([r["seconds"] for r in runs])
        lines.append(
            f"| {method} | {' / '.join(f'{v:.1f}' for v in mean[:3])} | {' / '.join(f'{v:.1f}' for v in mean[3:])} "
            f"| {total.mean():.1f} ({low:.1f} to {high:.1f}) | {against} | {len(runs)} | {seconds:.0f} |"
        )
    return "\n".join(lines)


def words_file(captions: Sequence[str], file: Path) -> Path:
    """The words of the captions with their vectors (384), made once."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        save_words(file, word_vectors(list(captions)))
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(METHODS), help="these methods and InfoNCE")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    log.setLevel(logging.INFO)
    torch.set_num_threads(args.threads)
    data = load_data(args.pack, args.out / "cache")
    log.info("%s", {name: (len(part), len(part.captions)) for name, part in data.items()})
    wanted = [m for m in METHODS if not args.only or m in args.only or m == "InfoNCE"]
    results: dict[str, list[dict[str, Any]]] = {method: [] for method in wanted}
    # Seed by seed: a table of all methods exists early, and two processes can begin with different ones.
    seeds = [(args.first + i) % args.seeds for i in range(args.seeds)]
    for seed in seeds:
        for method in wanted:
            results[method].append(run(method, seed, data, args.out, args.epochs, args.batch))
    if RERANKED in wanted:
        results[f"{RERANKED}, re-ranked by words and frames"] = reranked(
            args.seeds, data, args.out, args.epochs, args.batch
        )
    plain = float(np.mean([np.array(r["scores"]).sum(1).mean() for r in results["InfoNCE"]]))
    for method, runs in results.items():
        total = float(np.mean([np.array(r["scores"]).sum(1).mean() for r in runs]))
        hand_over(Figure(f"{method}, R@sum", total, "points", "InfoNCE", plain))
    print(table(results))


if __name__ == "__main__":
    main()
