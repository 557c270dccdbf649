"""From a model folder to its embedder, loaded once a process."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from worker.embedders.base import Embedder, EmbedderError
from worker.embedders.copy_descriptor import CopyDescriptor


def is_bundled(folder: Path) -> bool:
    """Our own towers say so in config.json; everything else is a transformers folder."""
    config = folder / "config.json"
    return config.exists() and json.loads(config.read_text()).get("architecture") == "vsearch-bundled"


@lru_cache(maxsize=2)
def load_semantic(folder: Path, name: str, revision: str) -> Embedder:
    """Raises EmbedderError. Two stay loaded: the serving one and one that is being indexed beside it."""
    if is_bundled(folder):
        from worker.embedders.bundled import BundledEmbedder

        return BundledEmbedder(folder)
    from worker.embedders.transformers_model import TransformersEmbedder

    return TransformersEmbedder(folder, name=name, revision=revision)


COPY_WEIGHTS = "copy.safetensors"


@lru_cache(maxsize=2)
def load_copy(folder: Path) -> CopyDescriptor:
    """Raises EmbedderError."""
    if not (folder / COPY_WEIGHTS).is_file():
        raise EmbedderError(f"{folder} has no {COPY_WEIGHTS}. Run `manage.py prepare` again.")
    return CopyDescriptor(folder / COPY_WEIGHTS)
