"""From a model folder to its embedder, loaded once a process."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.copies.descriptor import CopyDescriptor


def _architecture(folder: Path) -> str:
    """Our own towers say so in config.json; everything else is a transformers folder."""
    config = folder / "config.json"
    return str(json.loads(config.read_text()).get("architecture", "")) if config.exists() else ""


def is_bundled(folder: Path) -> bool:
    return _architecture(folder) == "vsearch-bundled"


def is_fine_tuned(folder: Path) -> bool:
    return _architecture(folder) == "vsearch-fine-tuned"


@lru_cache(maxsize=4)  # two fine-tuned ones with their bases
def load_semantic(folder: Path, name: str, revision: str) -> Embedder:
    """Raises EmbedderError. The one in use and one that is being indexed beside it stay loaded."""
    if is_bundled(folder):
        from worker.embedders.semantic.bundled import BundledEmbedder

        return BundledEmbedder(folder)
    if is_fine_tuned(folder):
        from worker.embedders.semantic.fine_tuned import FineTunedEmbedder

        base = load_semantic(folder / "base", "base", "")
        return FineTunedEmbedder(folder, base, name=name, revision=revision)
    from worker.embedders.semantic.transformers_model import TransformersEmbedder

    return TransformersEmbedder(folder, name=name, revision=revision)


COPY_WEIGHTS = "copy.safetensors"


@lru_cache(maxsize=2)
def load_copy(folder: Path) -> CopyDescriptor:
    """Raises EmbedderError."""
    if not (folder / COPY_WEIGHTS).is_file():
        raise EmbedderError(f"{folder} has no {COPY_WEIGHTS}. Run `manage.py prepare` again.")
    return CopyDescriptor(folder / COPY_WEIGHTS)
