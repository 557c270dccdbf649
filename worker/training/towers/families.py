"""The towers of a model folder, opened to be trained: what is special about each family.

Pictures are uint8 squares here, normalised on the device: a quarter of the memory, and exactly what the embedder sees.
"""

from __future__ import annotations

import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from worker.embedders.base import EmbedderError
from worker.embedders.registry import is_bundled
from worker.embedders.semantic.bundled import BundledEmbedder, squash
from worker.embedders.semantic.transformers_model import TransformersEmbedder, embedding_of, normalise, square
from worker.embedders.towers import ImageTower
from worker.embedders.weights import ROWS_SUFFIX, load_packed, save_packed
from worker.training.errors import TrainingError
from worker.training.losses.batch import MAX_SCALE, START_SCALE
from worker.types import ByteImage

NOT_COPIED = ("config.json", "text.json", "export.json", "metrics.json")  # written anew, or of the old weights


class Towers(nn.Module, ABC):
    """Both towers of a base model. ``dim`` of the embeddings, ``side`` of the pictures."""

    dim: int
    side: int
    start_scale: float

    @abstractmethod
    def frames(self, pictures: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 -> (N, D), not normalised."""

    @abstractmethod
    def texts(self, tokens: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What ``tokenize`` gave for B texts -> (B, D) sentences and (B, L, D) words, not normalised."""

    @abstractmethod
    def square(self, image: ByteImage) -> Tensor:
        """(H, W, 3) uint8 of any size -> (3, S, S) uint8, as the embedder prepares it."""

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """input_ids, attention_mask and word_mask (B, L), and offsets (B, L, 2) into the text's characters.

        ``word_mask`` is True for tokens that stand for text, and for one token of a text that has none.
        """

    @abstractmethod
    def blocks(self) -> list[list[nn.Module]]:
        """The blocks of each tower, first to last."""

    @abstractmethod
    def tails(self) -> list[nn.Parameter]:
        """What comes after the last block of each tower: final norms, pooling, projections."""

    @abstractmethod
    def checkpointed(self) -> None:
        """From here on keep no activations within blocks; they are computed again in the backward pass."""

    @abstractmethod
    def write(self, folder: Path, state: dict[str, Tensor]) -> None:
        """A model folder with ``state`` (names as in this module) that ``load_semantic`` loads."""


def after(tower: nn.Module, block: nn.Module) -> list[nn.Parameter]:
    """The tower's parameters that are registered after those of ``block``."""
    parameters = list(tower.parameters())
    inside = {id(p) for p in block.parameters()}
    last = max(i for i, p in enumerate(parameters) if id(p) in inside)
    return parameters[last + 1 :]


def words_of(attention: Tensor, special: Tensor) -> Tensor:
    """(B, L) 0/1 masks -> (B, L) bool: real tokens that are not special, at least one a row."""
    words = attention.bool() & ~special.bool()
    words[:, 0] |= ~words.any(1)
    return words


class TransformersTowers(Towers):
    """A CLIP or SigLIP family model."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        embedder = TransformersEmbedder(folder)
        self.folder = folder
        self.model = embedder.model.cpu()
        self.tokenizer = embedder.tokenizer
        self.siglip = embedder.siglip
        self.preprocessing = embedder.preprocessing
        self.max_length = embedder.max_length
        self.dim, self.side = embedder.spec.dim, embedder.spec.image_side
        scale = getattr(self.model, "logit_scale", None)
        self.start_scale = min(float(scale.detach().exp()), MAX_SCALE) if scale is not None else START_SCALE

    def frames(self, pictures: Tensor) -> Tensor:
        output = self.model.get_image_features(pixel_values=normalise(pictures, self.preprocessing))
        return embedding_of(output)

    def texts(self, tokens: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        inputs = {"input_ids": tokens["input_ids"]}
        if not self.siglip:
            inputs["attention_mask"] = tokens["attention_mask"]
        output = self.model.get_text_features(**inputs)
        projection = getattr(self.model, "text_projection", None) or getattr(self.model.text_model, "head", None)
        hidden = output.last_hidden_state
        return embedding_of(output), hidden if projection is None else projection(hidden)

    def square(self, image: ByteImage) -> Tensor:
        return square(image, self.preprocessing)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        tokens = self.tokenizer(
            list(texts),
            padding="max_length" if self.siglip else True,
            truncation=True,
            max_length=self.max_length,
            return_tensors="pt",
            return_attention_mask=True,
            return_special_tokens_mask=True,
            return_offsets_mapping=True,
        )
        attention = tokens["attention_mask"]
        return {
            "input_ids": tokens["input_ids"],
            "attention_mask": attention,
            "word_mask": words_of(attention, tokens["special_tokens_mask"]),
            "offsets": tokens["offset_mapping"],
        }

    def blocks(self) -> list[list[nn.Module]]:
        return [_longest_list(self.model.vision_model), _longest_list(self.model.text_model)]

    def tails(self) -> list[nn.Parameter]:
        found: list[nn.Parameter] = []
        for tower, blocks in zip((self.model.vision_model, self.model.text_model), self.blocks(), strict=True):
            found += after(tower, blocks[-1])
        for name in ("visual_projection", "text_projection"):
            if hasattr(self.model, name):
                found += list(getattr(self.model, name).parameters())
        return found

    def checkpointed(self) -> None:
        self.model.activation_checkpointing_enable()

    def write(self, folder: Path, state: dict[str, Tensor]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name.removeprefix("model."): value.contiguous().cpu() for name, value in state.items()}
        self.model.save_pretrained(folder, state_dict=weights)
        for file in self.folder.iterdir():  # the tokenizer and how pictures are prepared stay byte for byte
            kept = file.suffix in (".json", ".txt", ".model") and not file.name.endswith(".index.json")
            if file.is_file() and kept and file.name not in NOT_COPIED:
                shutil.copyfile(file, folder / file.name)


def _longest_list(tower: nn.Module) -> list[nn.Module]:
    """The blocks of a transformer are the longest list of modules in it."""
    lists = [list(module) for module in tower.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise TrainingError(
            "model",
            f"{type(tower).__name__} has no blocks that could be trained. Choose a recipe that trains the head.",
        )
    return max(lists, key=len)


class BundledTowers(Towers):
    """Our own towers, with the batch norms that the embedder folds away. They keep their stored statistics."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        embedder = BundledEmbedder(folder)
        self.folder = folder
        self.config = embedder.config
        self.dim, self.side = embedder.spec.dim, embedder.spec.image_side
        self.start_scale = START_SCALE
        self.image = ImageTower(self.dim, tuple(self.config["widths"]), tuple(self.config["blocks"]))
        self.image.load_state_dict(load_packed(folder / "image.safetensors"))
        self.text = embedder.text
        self.tokenizer = embedder.tokenizer
        self.max_length = embedder.max_length

    def frames(self, pictures: Tensor) -> Tensor:
        pixels = (pictures.float() / 255).contiguous(memory_format=torch.channels_last)
        return self.image(pixels)

    def texts(self, tokens: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        mask = tokens["attention_mask"]
        hidden = self.text.bert(input_ids=tokens["input_ids"], attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        return self.text.head(F.normalize(mean, dim=-1)), self.text.head(F.normalize(hidden, dim=-1))

    def square(self, image: ByteImage) -> Tensor:
        return squash([image], self.side)[0].mul(255).round().to(torch.uint8)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        self.tokenizer.enable_truncation(self.max_length)
        self.tokenizer.enable_padding()
        encoded = self.tokenizer.encode_batch(list(texts))
        attention = torch.tensor([e.attention_mask for e in encoded])
        return {
            "input_ids": torch.tensor([e.ids for e in encoded]),
            "attention_mask": attention,
            "word_mask": words_of(attention, torch.tensor([e.special_tokens_mask for e in encoded])),
            "offsets": torch.tensor([e.offsets for e in encoded]),
        }

    def blocks(self) -> list[list[nn.Module]]:
        return [list(self.image.net.layers), list(self.text.bert.encoder.layer)]

    def tails(self) -> list[nn.Parameter]:
        image, text = self.blocks()
        return [*after(self.image, image[-1]), *after(self.text, text[-1])]

    def checkpointed(self) -> None:
        self.text.bert.activation_checkpointing_enable()
        for block in self.image.net.layers:
            block.forward = partial(checkpoint, block.forward, use_reentrant=False)

    def write(self, folder: Path, state: dict[str, Tensor]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stored = load_file(self.folder / "text.safetensors")
        tables = tuple(n.removesuffix(ROWS_SUFFIX) for n in stored if n.endswith(ROWS_SUFFIX))
        for tower, kept in (("image", ()), ("text", tables)):
            weights = {n.removeprefix(f"{tower}."): v.cpu() for n, v in state.items() if n.startswith(f"{tower}.")}
            save_packed(weights, folder / f"{tower}.safetensors", kept)
        config = self.config | {"revision": f"{self.config['revision']}+tuned"}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        shutil.copyfile(self.folder / "tokenizer.json", folder / "tokenizer.json")


def open_towers(folder: Path) -> Towers:
    """Raises TrainingError("no_text_tower" | "model")."""
    try:
        return BundledTowers(folder) if is_bundled(folder) else TransformersTowers(folder)
    except EmbedderError as error:
        code = "no_text_tower" if "text and image towers" in str(error) else "model"
        raise TrainingError(code, str(error)) from error
