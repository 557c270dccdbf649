"""Where and how exactly a step is computed: device, bfloat16, too little memory, a loss that runs away."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch

from worker.training.errors import TrainingError
from worker.training.steps.grad_cache import RandomState

Result = TypeVar("Result")


def choose_device(*, needs_gpu: bool) -> torch.device:
    """The GPU of this process where there is one. Raises TrainingError("no_gpu") when the recipe cannot do without."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    if needs_gpu:
        raise TrainingError(
            "no_gpu",
            "This recipe needs a GPU and PyTorch finds none on this machine. Choose a recipe that runs on the "
            "processor, or run the training worker on a machine with an NVIDIA GPU, its driver and a CUDA build of "
            "PyTorch.",
        )
    return torch.device("cpu")


def has_bf16(device: torch.device) -> bool:
    """Whether bfloat16 is computed in hardware there; emulated, it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def autocast(device: torch.device, *, enabled: bool = True) -> torch.autocast:
    """bfloat16 inside where the device has it, float32 elsewhere. bfloat16 needs no loss scaling."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and has_bf16(device))


def is_out_of_memory(error: BaseException) -> bool:
    """Of the GPU or of the machine. The processor's allocator says it in words only."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and (
        "not enough memory" in words or "can't allocate memory" in words or "Cannot allocate memory" in words
    )


class MicroBatch:
    """The number of rows that are embedded at a time: halved once when memory runs out, then the run gives up.

    ``size`` and ``halved`` belong into the checkpoint, so that a resumed run does not walk into the same wall:
    ``MicroBatch(size, told, halved=...)``. ``told`` gets the sentence that people read. With several processes nothing
    is tried again: the others wait in a collective that the one without memory never reaches.
    """

    def __init__(self, size: int, told: Callable[[str], None], *, halved: bool = False, processes: int = 1) -> None:
        self.size = size
        self.halved = halved
        self._told = told
        self._processes = processes

    def run(self, step: Callable[[int], Result]) -> Result:
        """``step(size)`` again from the same random state after halving. ``step`` clears gradients first.

        Raises TrainingError("out_of_memory").
        """
        before = RandomState()
        try:
            return step(self.size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if self.halved or self.size == 1 or self._processes > 1:
                raise self._given_up() from error
            # The traceback holds the frames, and with them every tensor of the step that did not fit.
            error.__traceback__ = None
        self.size, self.halved = self.size // 2, True
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        self._told(f"Memory ran out: continuing with micro_batch {self.size} instead of {self.size * 2}.")
        before.restore()
        try:
            return step(self.size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise self._given_up() from error

    def _given_up(self) -> TrainingError:
        if self.size > 1:
            remedy = f"Lower micro_batch below {self.size} in the recipe (the batch stays as large)"
        else:
            remedy = "Lower frames or batch in the recipe"
        return TrainingError(
            "out_of_memory",
            f"Memory ran out with micro_batch {self.size}{', after halving it once' if self.halved else ''}. {remedy}, "
            "switch checkpointing on, or choose a smaller model.",
        )


@dataclass
class DivergenceGuard:
    """Stops a run whose loss is not finite, or whose moving average stays far above its best.

    ``factor`` is measured from the best average, plus ``slack`` for losses near zero; a curriculum may raise the loss
    for a while, therefore ``patience`` steps in a row. ``memory`` is the weight of the past in the average.
    """

    factor: float = 3.0
    slack: float = 0.5
    patience: int = 200
    memory: float = 0.95
    warm_up: int = 20  # steps before the average says anything
    _average: float = 0.0
    _seen: int = 0
    _best: float = math.inf
    _above: int = 0

    def check(self, loss: float, step: int) -> None:
        """Call with every step's loss, before it is differentiated. Raises TrainingError("diverged")."""
        if not math.isfinite(loss):
            raise TrainingError(
                "diverged",
                f"The loss became {loss} at step {step}. Lower rate (and backbone_rate) in the recipe, to a third "
                "for a start; the last checkpoint is still good.",
            )
        self._seen += 1
        self._average = self.memory * self._average + (1 - self.memory) * loss
        if self._seen < self.warm_up:
            return
        average = self._average / (1 - self.memory**self._seen)  # the average starts at zero, this takes it out
        self._best = min(self._best, average)
        limit = self._best + (self.factor - 1) * abs(self._best) + self.slack
        self._above = self._above + 1 if average > limit else 0
        if self._above >= self.patience:
            raise TrainingError(
                "diverged",
                f"The loss has been far above its best for {self.patience} steps (average {average:.3g} at step "
                f"{step}, best {self._best:.3g}). Lower rate in the recipe, for example to a third.",
            )

    def check_gradient(self, norm: float, step: int) -> None:
        """Call before the optimiser steps: one such step would leave no weight that is a number."""
        if not math.isfinite(norm):
            raise TrainingError(
                "diverged",
                f"The gradient became {norm} at step {step}. Lower rate (and backbone_rate) in the recipe, to a third "
                "for a start; the last checkpoint is still good.",
            )

    def state(self) -> dict[str, Any]:
        return {"average": self._average, "seen": self._seen, "best": self._best, "above": self._above}

    def restore(self, state: dict[str, Any]) -> None:
        """What ``state`` gave; an infinite best survives JSON as Python writes it."""
        self._average, self._seen = float(state["average"]), int(state["seen"])
        self._best, self._above = float(state["best"]), int(state["above"])
