"""Training the towers themselves, by low-rank updates or in their last blocks, with a head behind them.

How a loop uses it, with GradCache and perhaps several processes:

    model = open_tower_model(model_folder, recipe, device)
    optimizer = torch.optim.AdamW(model.parameter_groups(recipe))      # "peak" holds each group's rate
    tokens = model.tokenize(captions)                                  # {name: (B, ...)}
    pictures, mask = model.pictures(clips)                             # (B, F, 3, S, S) uint8, (B, F) bool
    parts = micro_batches((pictures, mask, tokens), recipe.micro_batch)
    grad_cache.backward([Tower(lambda part: model.encode_pairs(*part), parts)], loss)    # loss: dict -> scalar
    average_gradients(model.trainable_parameters(), world)             # only with several processes

Best and last states are kept with ``model.trained`` (only what trains), the result is written with ``write_base``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from worker.embedders.registry import is_fine_tuned
from worker.embedders.semantic.fine_tuned import DualHead
from worker.training.errors import TrainingError
from worker.training.head.opening import start_head
from worker.training.losses.batch import MAX_SCALE
from worker.training.recipe import Recipe
from worker.training.steps.grad_cache import Embeddings
from worker.training.steps.precision import autocast
from worker.training.towers.families import Towers, open_towers
from worker.training.towers.lora import add_lora, merged_state
from worker.types import ByteImage, FloatArray

BATCH = 32  # of pictures and texts when nothing is trained


class TowerModel(nn.Module):
    """Towers, the head of a fine-tuned model behind them, and a temperature. Made by ``open_tower_model``."""

    def __init__(self, towers: Towers, head: DualHead, *, words: bool = True) -> None:
        super().__init__()
        self.towers = towers
        self.head = head
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(towers.start_scale))))
        self.bf16 = True
        self._words = words
        self.trained = TrainedPart(self)

    @property
    def device(self) -> torch.device:
        return self.log_scale.device

    def scale(self) -> Tensor:
        """(), what similarities are multiplied with."""
        return self.log_scale.exp().clamp(max=MAX_SCALE)

    def train(self, mode: bool = True) -> TowerModel:
        """Batch norms keep their stored statistics: those of a micro-batch would make rows depend on each other."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def encode_pairs(self, pictures: Tensor, frame_mask: Tensor, tokens: dict[str, Tensor]) -> Embeddings:
        """B pairs -> unit float32 embeddings; what ``grad_cache.Tower`` calls for each micro-batch.

        pictures (B, F, 3, S, S) uint8 squares of ``towers.side``; frame_mask (B, F) bool, at least one True a row
        (other pictures are not looked at); tokens as ``tokenize`` gives them. All may lie on the processor.

        Returns "text" (B, D), "video" (B, D) pooled over time, "frames" (B, F, D) with zeros where masked,
        "frame_mask" (B, F), and if the recipe's losses look at words, "words" (B, L, D) and "word_mask" (B, L).
        Draws (dropout) come from torch's own random state. bfloat16 where the device has it, unless ``bf16`` is off.
        """
        mask = frame_mask.to(self.device)
        seen = pictures[frame_mask.to(pictures.device)].to(self.device)  # (n, 3, S, S)
        tokens = {name: tensor.to(self.device, non_blocking=True) for name, tensor in tokens.items()}
        with autocast(self.device, enabled=self.bf16):
            vectors = self.towers.frames(seen)
            sentences, words = self.towers.texts(tokens)
        units = self.head.video(F.normalize(vectors.float(), dim=-1))
        frames = units.new_zeros(*mask.shape, units.shape[-1]).masked_scatter(mask[..., None], units)
        embeddings = {
            "text": self.head.text(F.normalize(sentences.float(), dim=-1)),
            "video": self.head.clip(frames, mask),
            "frames": frames,
            "frame_mask": mask,
        }
        if self._words:
            embeddings["words"] = self.head.text(F.normalize(words.float(), dim=-1))
            embeddings["word_mask"] = tokens["word_mask"]
        return embeddings

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """See ``Towers.tokenize``: input_ids, attention_mask, word_mask (B, L) and character offsets (B, L, 2)."""
        return self.towers.tokenize(texts)

    def pictures(self, clips: Sequence[Sequence[ByteImage]]) -> tuple[Tensor, Tensor]:
        """B clips of at least one picture each -> (B, F, 3, S, S) uint8, padded with zeros, and (B, F) bool."""
        longest = max(len(clip) for clip in clips)
        out = torch.zeros(len(clips), longest, 3, self.towers.side, self.towers.side, dtype=torch.uint8)
        mask = torch.zeros(len(clips), longest, dtype=torch.bool)
        for row, clip in enumerate(clips):
            for column, image in enumerate(clip):
                out[row, column] = self.towers.square(image)
            mask[row, : len(clip)] = True
        return out, mask

    @torch.no_grad()
    def encode_frames(self, images: Sequence[ByteImage]) -> FloatArray:
        """N images -> (N, D), as the candidate's embedder will give them. Leaves the model in the mode it was in."""
        return self._in_batches(
            images, lambda some: self.head.video(self._unit(self.towers.frames(self._squares(some))))
        )

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> FloatArray:
        """N texts -> (N, D), as the candidate's embedder will give them."""
        return self._in_batches(
            texts, lambda some: self.head.text(self._unit(self.towers.texts(self._tokens(some))[0]))
        )

    @torch.no_grad()
    def encode_clip(self, frame_vectors: FloatArray) -> FloatArray:
        """(F, D) of ``encode_frames`` -> (D,)."""
        frames = torch.from_numpy(frame_vectors)[None].to(self.device)
        clip = self.head.clip(frames, torch.ones(frames.shape[:2], dtype=torch.bool, device=self.device))
        vector: FloatArray = clip[0].cpu().numpy()
        return vector

    def _unit(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors.float(), dim=-1)

    def _squares(self, images: Sequence[ByteImage]) -> Tensor:
        return torch.stack([self.towers.square(image) for image in images]).to(self.device)

    def _tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        return {name: tensor.to(self.device) for name, tensor in self.tokenize(texts).items()}

    def _in_batches(self, inputs: Sequence[Any], encode: Any) -> FloatArray:
        mode = self.training
        self.eval()
        parts = [encode(inputs[i : i + BATCH]).cpu().numpy() for i in range(0, len(inputs), BATCH)]
        self.train(mode)
        return np.concatenate(parts) if parts else np.empty((0, self.towers.dim), np.float32)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def parameter_groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        """New modules (head, low-rank updates, temperature) at ``rate``, the backbone at ``backbone_rate``.

        Norms, biases and the temperature have no weight decay.
        """
        groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
        for name, parameter in self.named_parameters():
            if parameter.requires_grad:
                new = not name.startswith("towers.") or "lora_" in name
                groups.setdefault((new, parameter.ndim > 1), []).append(parameter)
        return [
            {
                "params": parameters,
                "lr": recipe.rate if new else recipe.backbone_rate,
                "peak": recipe.rate if new else recipe.backbone_rate,
                "weight_decay": recipe.weight_decay if matrices else 0.0,
                "name": f"{'new' if new else 'backbone'}{'' if matrices else ', no decay'}",
            }
            for (new, matrices), parameters in groups.items()
        ]

    def merged_state(self) -> dict[str, Tensor]:
        """The towers' weights with the low-rank updates added, named as in ``Towers``."""
        return merged_state(self.towers)

    def write_base(self, folder: Path) -> None:
        """The towers as a model folder of the base's own kind, without the head."""
        self.towers.write(folder, self.merged_state())


class TrainedPart:
    """``state_dict`` and ``load_state_dict`` of what trains alone, for checkpoints: the rest is in the model folder."""

    def __init__(self, model: TowerModel) -> None:
        self._model = model

    def state_dict(self) -> dict[str, Tensor]:
        return {name: p.detach() for name, p in self._model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Raises TrainingError("checkpoint") when the state is of another recipe."""
        own = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        if own.keys() != state.keys() or any(own[name].shape != value.shape for name, value in state.items()):
            raise TrainingError(
                "checkpoint", "The checkpoint trains other weights than this recipe. Start a new run instead."
            )
        for name, value in state.items():
            own[name].copy_(value)


def unfreeze_last_blocks(towers: Towers, count: int) -> None:
    """Let the last ``count`` blocks of each tower train, and what comes after them.

    Does not freeze the rest. More blocks than there are means all of them; the embeddings before stay frozen.
    """
    chosen: list[nn.Parameter] = []
    if count > 0:
        for blocks in towers.blocks():
            chosen += [p for block in blocks[-count:] for p in block.parameters()]
        chosen += towers.tails()
    for parameter in chosen:
        parameter.requires_grad_(True)


def lora_names(towers: Towers) -> list[str]:
    """The layers within the blocks of both towers that a low-rank update suits: linear ones and 3x3 convolutions."""
    inside = {id(module) for blocks in towers.blocks() for block in blocks for module in block.modules()}
    return [
        name
        for name, module in towers.named_modules()
        if id(module) in inside
        and (isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1))
    ]


def open_tower_model(model_folder: Path, recipe: Recipe, device: torch.device | None = None) -> TowerModel:
    """The model of a folder, made trainable as ``recipe`` says: lora_rank, unfrozen_blocks, checkpointing, pooling.

    A fine-tuned folder starts from its own head (and its pooling, where the recipe has the same). New weights are
    drawn from ``recipe.seed``. Raises TrainingError("no_text_tower" | "model" | "dependency").
    """
    towers = open_towers(model_folder / "base" if is_fine_tuned(model_folder) else model_folder)
    head = start_head(model_folder, towers.dim, recipe)
    towers.requires_grad_(False)
    if recipe.lora_rank:
        add_lora(towers, lora_names(towers), rank=recipe.lora_rank, dropout=recipe.dropout)
    unfreeze_last_blocks(towers, recipe.unfrozen_blocks)
    if recipe.checkpointing:
        towers.checkpointed()
    model = TowerModel(towers, head, words=recipe.needs_words())
    return model.to(device or torch.device("cpu")).train()
