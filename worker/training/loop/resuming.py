"""What a run's checkpoint holds: weights, optimiser, mined negatives, and how far the run is."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from worker.training.errors import TrainingError
from worker.training.loop.checkpoint import load_checkpoint, save_checkpoint, whole_checkpoint
from worker.training.loop.encoder import Encoder
from worker.training.loop.mining import Mined
from worker.training.run import Run


@dataclass
class RunState:
    """What a checkpoint holds beside the tensors."""

    epoch: int = 0
    step: int = 0  # within the epoch
    best: float = -1.0
    best_epoch: int = -1
    waited: int = 0  # epochs since the best
    guard: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


class RunCheckpoint:
    """``identity`` says what it belongs to: data, recipe and base. Of several processes the leading one writes."""

    def __init__(self, run: Run, encoder: Encoder, optimizer: torch.optim.Optimizer, identity: dict[str, str]) -> None:
        self._folder, self._leads = run.folder / "checkpoint", run.world.leads
        self._encoder, self._optimizer, self._identity = encoder, optimizer, identity

    def load(self) -> tuple[RunState, Mined | None]:
        """The last state, or a fresh one. Raises TrainingError("checkpoint") for other data, recipe or base."""
        whole = whole_checkpoint(self._folder)
        if whole is not None:
            found = json.loads((whole / "progress.json").read_text())["identity"]
            differing = [name for name in self._identity if found.get(name) != self._identity[name]]
            if differing:
                what = ", ".join(name.removesuffix("_sha256") for name in differing)
                raise TrainingError(
                    "checkpoint", f"The checkpoint of this run was made with another {what}. Start a new run instead."
                )
        progress = load_checkpoint(self._folder, {"model": self._encoder.saved}, self._optimizer)
        if progress is None or whole is None:
            return RunState(), None
        self._encoder.take_notes(progress["notes"])
        tensors = load_file(whole / "state.safetensors")
        mined = None
        if "mined.video_of_text" in tensors:
            mined = Mined(tensors["mined.video_of_text"].numpy(), tensors["mined.text_of_video"].numpy(), {})
        return RunState(**progress["state"]), mined

    def save(self, state: RunState, mined: Mined | None) -> None:
        if not self._leads:
            return
        modules: dict[str, Any] = {"model": self._encoder.saved}
        if mined is not None:
            holder = nn.Module()
            holder.register_buffer("video_of_text", torch.from_numpy(mined.video_of_text))
            holder.register_buffer("text_of_video", torch.from_numpy(mined.text_of_video))
            modules["mined"] = holder
        progress = {"identity": self._identity, "state": state.__dict__, "notes": self._encoder.notes()}
        save_checkpoint(self._folder, modules, self._optimizer, progress)
