"""Several processes, one batch: negatives gathered from all of them, with their gradients.

Every process embeds its share of the batch, gathers everybody's embeddings and computes the loss of the whole batch.
The backward of a gather sums over the processes, so each share's gradient is ``processes`` times too large; the mean
over processes in ``average_gradients`` takes that out again. Together: loss and gradients of one process with the whole
batch (docs/adr/0020), for parameters of the towers and of the loss alike. No DistributedDataParallel around the model:
its hooks would fire in every micro-batch of GradCache.

The environment is that of torchrun, which ``accelerate launch`` sets as well: RANK, WORLD_SIZE, LOCAL_RANK and
MASTER_ADDR with MASTER_PORT.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from worker.training.errors import TrainingError
from worker.training.steps.grad_cache import Embeddings, pad_second

WAIT = timedelta(minutes=10)  # for a process that died: then the others end with an error
BUCKET_NUMBERS = 16 * 1024 * 1024
# Second dimension is a length (words, frames) and may differ between processes.
OF_ANY_LENGTH = frozenset({"words", "word_mask", "word_weight", "word_tfidf", "frames", "frame_mask"})


@dataclass(frozen=True)
class World:
    """``leads``: the one process that writes files and talks to people."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def seed(self, seed: int) -> int:
        """A seed of this process' own, for dropout and augmentation. Orders of the data use the common one."""
        return int(np.random.SeedSequence([seed, self.rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))

    def share(self, batch: np.ndarray) -> np.ndarray:
        """This process' rows of a batch (B, ...), in order. Raises TrainingError("ragged_batch").

        Shares must be equal: a shorter one would weigh more. Drop the last batch of an epoch, or fill it up.
        """
        if len(batch) % self.size:
            raise TrainingError(
                "ragged_batch",
                f"A batch of {len(batch)} does not divide among {self.size} processes. Set batch to a multiple of "
                f"{self.size}; the incomplete last batch of an epoch is left out.",
            )
        each = len(batch) // self.size
        return batch[self.rank * each : (self.rank + 1) * each]


@contextmanager
def joined_world() -> Iterator[World]:
    """Joins the other processes where torchrun or accelerate started several; alone it is ``World()``.

    Sets the process' GPU, so call it before ``choose_device``.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size < 2:
        yield World()
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    began = not dist.is_initialized()  # an accelerate.Accelerator may have joined already
    if began:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo", timeout=WAIT)
    try:
        yield World(dist.get_rank(), dist.get_world_size())
    finally:
        if began:
            dist.destroy_process_group()


class _GatherRows(torch.autograd.Function):
    """(b, ...) of every process -> (b * processes, ...), in the order of the ranks.

    Backward: the sum of all processes' gradients for our rows, since all of their losses depend on them.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.count = rows.shape[0]
        return _all_rows(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        whole = gradient.contiguous().clone()
        dist.all_reduce(whole)
        start = dist.get_rank() * ctx.count
        return whole[start : start + ctx.count]


def _all_rows(rows: Tensor) -> Tensor:
    as_bytes = rows.dtype == torch.bool  # not every backend moves booleans
    sent = (rows.to(torch.uint8) if as_bytes else rows).contiguous()
    parts = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, sent)
    whole = torch.cat(parts)
    return whole.bool() if as_bytes else whole


def gather_rows(rows: Mapping[str, Tensor], world: World) -> Embeddings:
    """Named tensors (b, ...) of this process -> (b * processes, ...) of all, gradients included.

    ``words``, ``frames`` and their masks and weights are padded to the longest of all processes. Raises
    TrainingError("ragged_batch") in every process alike when the processes' rows, names or widths differ.
    """
    if world.size == 1:
        return dict(rows)
    described = [(name, tuple(t.shape), str(t.dtype)) for name, t in sorted(rows.items())]
    everybody: list[Any] = [None] * world.size
    dist.all_gather_object(everybody, described)
    _refuse_different(everybody)
    gathered: Embeddings = {}
    for number, (name, _, _) in enumerate(described):
        tensor = rows[name]
        if name in OF_ANY_LENGTH:
            tensor = pad_second(tensor, max(shapes[number][1][1] for shapes in everybody))
        gathered[name] = _GatherRows.apply(tensor) if tensor.is_floating_point() else _all_rows(tensor)
    return gathered


def _refuse_different(everybody: Sequence[Sequence[tuple[str, tuple[int, ...], str]]]) -> None:
    def comparable(shapes: Sequence[tuple[str, tuple[int, ...], str]]) -> list[tuple[object, ...]]:
        return [(n, *(s[:1] + s[2:] if n in OF_ANY_LENGTH else s), kind) for n, s, kind in shapes]

    first = comparable(everybody[0])
    for rank, shapes in enumerate(everybody):
        if comparable(shapes) != first:
            raise TrainingError(
                "ragged_batch",
                f"Process {rank} brought {list(shapes)} to the batch and process 0 {list(everybody[0])}. Every process "
                "needs the same number of rows: set batch to a multiple of the number of processes and leave the "
                "incomplete last batch out.",
            )


def positive_mask(group: Tensor) -> Tensor:
    """(B,) group numbers of the gathered batch (numbered over the whole manifest) -> (B, B) bool."""
    return group[:, None] == group[None, :]


def average_gradients(parameters: Sequence[nn.Parameter], world: World) -> None:
    """The mean of ``.grad`` over the processes, in place, for the same parameters in the same order everywhere.

    Call it once a step, after the last micro-batch. A gradient that is missing here counts as zero; one that is missing
    in every process stays missing, so that the optimiser leaves that parameter alone.
    """
    if world.size == 1 or not parameters:
        return
    device = parameters[0].device
    present = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=device)
    dist.all_reduce(present)
    used = [p for p, somewhere in zip(parameters, present.tolist(), strict=True) if somewhere]
    for bucket in _buckets(used):
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= world.size
        start = 0
        for parameter in bucket:
            parameter.grad = flat[start : start + parameter.numel()].view_as(parameter).clone()
            start += parameter.numel()


def _buckets(parameters: Sequence[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Runs of parameters of one type with at most BUCKET_NUMBERS numbers together: few messages, little memory."""
    bucket: list[nn.Parameter] = []
    numbers = 0
    for parameter in parameters:
        full = numbers + parameter.numel() > BUCKET_NUMBERS
        if bucket and (full or bucket[0].dtype != parameter.dtype):
            yield bucket
            bucket, numbers = [], 0
        bucket.append(parameter)
        numbers += parameter.numel()
    if bucket:
        yield bucket


def same_start(module: nn.Module, world: World) -> None:
    """Process 0's parameters and buffers everywhere: new modules are drawn at random."""
    if world.size > 1:
        for tensor in [*module.parameters(), *module.buffers()]:
            dist.broadcast(tensor.data, 0)


def wait_for_all(world: World) -> None:
    """Until every process is here: what the leading one has written is then there for all."""
    if world.size > 1:
        dist.barrier()


def any_process(flag: bool, world: World) -> bool:
    """Whether ``flag`` holds in one process at least; the same answer everywhere, so that all stop together."""
    if world.size == 1:
        return flag
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    raised = torch.tensor([float(flag)], device=device)
    dist.all_reduce(raised)
    return bool(raised.item())
