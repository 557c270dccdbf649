"""From the checkpoints to the files that are shipped: models/semantic/{image,text}.safetensors and their settings."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from worker.embedders.towers import BLOCKS, WIDTHS
from worker.embedders.weights import save_packed
from worker.pretraining.semantic.distill import DIM
from worker.pretraining.semantic.fit_heads import IMAGE_SIDE, load_heads, load_student
from worker.pretraining.semantic.fit_text import MAX_LENGTH, Fit
from worker.pretraining.semantic.sentences import minilm_folder
from worker.training.loop.checkpoint import load_checkpoint

TABLES = ("bert.embeddings.word_embeddings.weight",)
BERT_SETTINGS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)


def bundle(pack: Path, out: Path, target: Path, revision: str) -> None:
    """Write everything but the model card. Raises FileNotFoundError when a stage is missing."""
    student = load_student(pack, out)
    fit = Fit(load_heads(student, out))
    if load_checkpoint(out / "fit", {"fit": fit}) is None:
        raise FileNotFoundError(f"{out}/fit: run worker.pretraining.semantic.fit_text first")
    student.image.project.load_state_dict(fit.project.state_dict())
    save_packed(student.image.state_dict(), target / "image.safetensors")
    save_packed(fit.text.state_dict(), target / "text.safetensors", TABLES)
    config = fit.text.bert.config
    settings = {
        "architecture": "vsearch-bundled",
        "revision": revision,
        "dim": DIM,
        "image_side": IMAGE_SIDE,
        "max_length": MAX_LENGTH,
        "widths": WIDTHS,
        "blocks": BLOCKS,
        "bert": {name: getattr(config, name) for name in BERT_SETTINGS},
    }
    (target / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    shutil.copyfile(minilm_folder() / "tokenizer.json", target / "tokenizer.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--target", type=Path, default=Path("models/semantic"))
    parser.add_argument("--revision", required=True)
    args = parser.parse_args()
    bundle(args.pack, args.out, args.target, args.revision)


if __name__ == "__main__":
    main()
