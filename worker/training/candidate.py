"""From what was trained to a candidate folder: weights, base, ONNX text tower, parity figures, model card."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.registry import load_semantic
from worker.embedders.semantic.bundled import BundledEmbedder
from worker.embedders.semantic.export import export_text_tower
from worker.embedders.semantic.fine_tuned import ARCHITECTURE, HEAD_FILE, DualHead, FineTunedEmbedder
from worker.embedders.semantic.image_onnx import IMAGE_FILE, ONNX_ERRORS, export_images, quantise_images
from worker.embedders.semantic.transformers_model import TransformersEmbedder
from worker.media.errors import MediaError
from worker.training.data.items import Item
from worker.training.data.pictures import read_pictures
from worker.training.loop.encoder import Encoder
from worker.training.loop.validation import Split, split_scores, total_rsum
from worker.training.recipe import Recipe
from worker.training.run import TrainingResult
from worker.types import ByteImage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sample:
    """Items of the validation split, to decide with: pictures and captions of each."""

    pictures: list[list[ByteImage]]
    captions: list[list[str]]


SAMPLE_ITEMS, SAMPLE_PICTURES = 100, 2
CALIBRATION = 64  # pictures
RECALL_LOSS = 1.0  # points of R@sum, 0..600
FASTER = 1.1


def read_sample(items: Sequence[Item]) -> Sample:
    """The first items that can be read, with a few pictures each."""
    sample = Sample([], [])
    for item in items[: 2 * SAMPLE_ITEMS]:
        try:
            pictures = read_pictures(item, SAMPLE_PICTURES)
        except (MediaError, OSError):
            continue  # reported as a problem of the run
        sample.pictures.append(pictures)
        sample.captions.append(list(item.captions))
        if len(sample.pictures) == SAMPLE_ITEMS:
            break
    return sample


def write_candidate(
    encoder: Encoder, name: str, recipe: Recipe, result: TrainingResult, sample: Sample
) -> dict[str, float]:
    """Write ``result.candidate`` whole or not at all; returns the parity figures of the export.

    ``name`` is what the base is called. Raises EmbedderError when the exported text tower does not answer as the
    trained one does.
    """
    fresh = result.candidate.with_name("candidate.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    base = write_weights(fresh, encoder.head(), encoder.write_base, name, recipe)
    tuned = FineTunedEmbedder(fresh, base)
    parity = export_text_tower(tuned, fresh)
    if isinstance(base, TransformersEmbedder):
        base.device = torch.device("cpu")  # where the export has put its model
    parity |= _image_tower_if_any(fresh, base, tuned.head, sample)
    (fresh / "export.json").write_text(json.dumps(parity))
    metrics = {
        "before": result.before,
        "after": result.after,
        "figures": result.figures,
        "best_epoch": result.best_epoch,
    }
    (fresh / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    (fresh / "README.md").write_text(model_card(name, base.spec.weights_sha256, recipe, result, parity))
    shutil.rmtree(result.candidate, ignore_errors=True)
    os.replace(fresh, result.candidate)
    return parity


def write_weights(
    folder: Path, head: DualHead, write_base: Callable[[Path], None], name: str, recipe: Recipe
) -> Embedder:
    """Base, head and configuration as a folder that ``load_semantic`` loads; returns the base that was written."""
    write_base(folder / "base")
    base = load_semantic(folder / "base", name, "")
    save_file({k: v.contiguous().cpu() for k, v in head.state_dict().items()}, folder / HEAD_FILE)
    settings = {
        "architecture": ARCHITECTURE,
        "dim": base.spec.dim,
        "pooling": recipe.pooling,
        "base": name,
        "recipe": asdict(recipe),
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return base


def _image_tower_if_any(folder: Path, base: Embedder, head: DualHead, sample: Sample) -> dict[str, float]:
    """No export of an image tower must cost a trained model: without one, torch embeds the pictures."""
    try:
        return choose_image_tower(folder, base, head, sample)
    except (EmbedderError, RuntimeError, ValueError, *ONNX_ERRORS):
        log.exception("no ONNX image tower for %s", folder)
        for file in folder.glob("*.onnx"):
            if file.name != "text.onnx":
                file.unlink()
        return {}


def choose_image_tower(folder: Path, base: Embedder, head: DualHead, sample: Sample) -> dict[str, float]:
    """Leave image.onnx in ``folder`` where it pays; returns the figures that decided. ``base`` is on the processor.

    Not where a GPU is at hand, which does the work faster: a folder is used in the form in which it was built.

    int8 when recall on the sample falls by at most RECALL_LOSS points of R@sum and it is FASTER times as fast as torch;
    else float32 when that is; else none.
    """
    pictures = [picture for item in sample.pictures for picture in item]
    if torch.cuda.is_available() or not isinstance(base, BundledEmbedder | TransformersEmbedder) or len(pictures) < 2:
        return {}
    plain, small, target = folder / "plain.onnx", folder / "small.onnx", folder / IMAGE_FILE
    figures = {"image_max_difference": export_images(base, head.video, plain, pictures[:CALIBRATION])}
    quantise_images(base, plain, small, pictures[:CALIBRATION])
    torch_seconds, exact = _sample_run(FineTunedEmbedder(folder, base), sample)
    figures["image_rsum"] = exact
    for title, file in (("int8", small), ("fp32", plain)):
        file.replace(target)
        seconds, reached = _sample_run(FineTunedEmbedder(folder, base), sample)
        figures |= {f"image_{title}_rsum": reached, f"image_{title}_speed": torch_seconds / max(seconds, 1e-9)}
        if reached >= exact - RECALL_LOSS and torch_seconds >= FASTER * seconds:
            break
        target.unlink()
    for rest in (plain, small):
        rest.unlink(missing_ok=True)
    return figures


def _sample_run(embedder: FineTunedEmbedder, sample: Sample) -> tuple[float, float]:
    """Processor seconds for all pictures, and R@sum of both directions."""
    embedder.encode_frames(sample.pictures[0])  # the first call prepares
    began = time.process_time()
    videos = np.stack([embedder.encode_clip(embedder.encode_frames(item)) for item in sample.pictures])
    seconds = time.process_time() - began
    texts = embedder.encode_text([caption for item in sample.captions for caption in item])
    owner = np.repeat(np.arange(len(videos)), [len(item) for item in sample.captions])
    return seconds, total_rsum(split_scores(texts, videos, Split(owner, np.arange(len(videos)))))


def image_line(figures: dict[str, float]) -> str:
    """What was decided about the image tower of processors, for the card."""
    if "image_rsum" not in figures:
        return ""
    tried = [
        f"{title} {figures[f'image_{title}_speed']:.2f} times as fast, R@sum {figures[f'image_{title}_rsum']:.1f}"
        for title in ("int8", "fp32")
        if f"image_{title}_speed" in figures
    ]
    torch_sum = f"{figures['image_rsum']:.1f}"
    return f"Image tower as ONNX against torch (R@sum {torch_sum} on a validation sample): {'; '.join(tried)}."


def model_card(name: str, weights_sha256: str, recipe: Recipe, result: TrainingResult, parity: dict[str, float]) -> str:
    """What it was made of and how it measured, for people."""
    split = result.figures["split"]
    rows = [
        f"| {title} | {scores['t2v']['r1']:.1f} | {scores['t2v']['r5']:.1f} | {scores['t2v']['r10']:.1f} "
        f"| {scores['v2t']['r1']:.1f} | {scores['v2t']['r5']:.1f} | {scores['v2t']['r10']:.1f} |"
        for title, scores in (("before", result.before), ("after", result.after))
    ]
    trains = "towers" if recipe.trains_towers else "head"
    losses = ", ".join(f"{weight:g} x {name}" for name, weight in recipe.losses.items())
    problems = f"{len(result.problems)} items were broken and left out." if result.problems else "No item was broken."
    return "\n".join(
        [
            f"# {name}, fine-tuned ({recipe.title})",
            "",
            f"Starts from {name}, whose licence holds. Weights of its towers: {weights_sha256[:12]}.",
            "",
            "## Data",
            f"{result.figures['items']} items with {result.figures['captions']} captions, split by video and by "
            f"same-source group: {split['train']} train, {split['validation']} validate, {split['test']} test.",
            problems,
            f"{result.figures['filtered']['dropped']} pairs were filtered out. "
            f"Data {result.figures['data_sha256'][:12]}.",
            "",
            "## Training",
            f"Recipe {recipe.name} (trains the {trains}): {losses}; pooling {recipe.pooling}; "
            f"{'mined hard negatives; ' if recipe.mining else ''}seed {recipe.seed}; "
            f"best of epoch {result.best_epoch}; {result.figures['steps']} steps of {result.figures['batch']} pairs.",
            f"Recipe {result.figures['recipe_sha256'][:12]}.",
            "",
            "## Measured on the test split (per cent)",
            "| | text to video R@1 | R@5 | R@10 | video to text R@1 | R@5 | R@10 |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *rows,
            "",
            "The exported text tower differs from the trained one by at most "
            f"{parity['max_difference']:.1e} in any coordinate.",
            image_line(parity),
            "",
        ]
    )
