"""Large contrastive batches in little memory. science: GradCache, Gao et al., RepL4NLP 2021.

A contrastive loss needs all embeddings of a batch at once, but not all graphs. So: embed every micro-batch without a
graph, compute the loss on the joined embeddings and its gradient in each embedding, then embed every micro-batch again,
with a graph, and backpropagate the gradient that was kept. Memory is that of one micro-batch and of the joined
embeddings; the price is one more forward pass. Loss and gradients are those of the whole batch (docs/adr/0020).

What a tower may not do: look at other rows of its micro-batch (batch norm in training mode), or draw from a generator
of its own, since only torch's own random state is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Embeddings = dict[str, Tensor]


@dataclass(frozen=True)
class Tower:
    """``encode(part)`` gives named tensors with the part's rows first: (b, ...), or (b, L, ...) with any L.

    ``parts`` are the micro-batches in the order of the rows. Parts of unequal length and L are fine. Integer and
    boolean outputs (masks) are joined and passed on; they have no gradient.
    """

    encode: Callable[[Any], Mapping[str, Tensor]]
    parts: Sequence[Any]


class RandomState:
    """Torch's random state of the processor and of the current GPU, as it was when this was made."""

    def __init__(self) -> None:
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

    def restore(self) -> None:
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """This state inside, and outside again what was there before."""
        before = RandomState()
        self.restore()
        try:
            yield
        finally:
            before.restore()


def rows_of(inputs: Any) -> int:
    """The number of rows of nested dicts, tuples and lists of tensors."""
    if isinstance(inputs, Tensor):
        return int(inputs.shape[0])
    values = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    counts = {rows_of(value) for value in values}
    if len(counts) != 1:
        raise ValueError(f"inputs of one batch have {sorted(counts)} rows; they must have the same number")
    return counts.pop()


def _rows(inputs: Any, rows: slice) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[rows]
    if isinstance(inputs, Mapping):
        return {name: _rows(value, rows) for name, value in inputs.items()}
    return tuple(_rows(value, rows) for value in inputs)


def micro_batches(inputs: Any, size: int) -> list[Any]:
    """Nested tensors (B, ...) cut into parts of ``size`` rows, the last one perhaps shorter."""
    if size < 1:
        raise ValueError("a micro-batch has at least one row")
    return [_rows(inputs, slice(start, start + size)) for start in range(0, rows_of(inputs), size)]


def pad_second(tensor: Tensor, length: int) -> Tensor:
    """(B, L, ...) -> (B, length, ...) with zeros (False) behind."""
    missing = length - tensor.shape[1]
    return F.pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing)) if missing else tensor


def join(parts: Sequence[Mapping[str, Tensor]]) -> Embeddings:
    """The parts' rows one after the other; where L differs, padded with zeros to the longest."""
    joined: Embeddings = {}
    for name in parts[0]:
        tensors = [part[name] for part in parts]
        if tensors[0].ndim > 1:
            longest = max(int(t.shape[1]) for t in tensors)
            tensors = [pad_second(t, longest) for t in tensors]
        joined[name] = torch.cat(tensors)
    return joined


def backward(towers: Sequence[Tower], loss: Callable[[Embeddings], Tensor]) -> Tensor:
    """Add the gradients of ``loss`` over the whole batch to every parameter's ``.grad``; returns the loss, detached.

    ``loss`` is called once with the joined outputs of all towers (their names must differ) and may hold parameters of
    its own, such as a temperature. It may raise (a divergence guard): then no tower has been differentiated.
    Costs two forward passes and one backward; a single part a tower is done directly, with one forward pass.
    The caller clears gradients before and steps the optimiser after. Autocast belongs into ``encode``.
    """
    if all(len(tower.parts) == 1 for tower in towers):
        value = loss(_merged([dict(tower.encode(tower.parts[0])) for tower in towers]))
        value.backward()
        return value.detach()
    states, outputs = _embed(towers)
    leaves = _merged([join(parts) for parts in outputs])
    for tensor in leaves.values():
        if tensor.is_floating_point():
            tensor.requires_grad_()
    value = loss(leaves)
    value.backward()
    gradients = {name: tensor.grad for name, tensor in leaves.items() if tensor.grad is not None}
    shapes = [[{name: t.shape for name, t in part.items()} for part in parts] for parts in outputs]
    del outputs, leaves
    for tower, tower_states, tower_shapes in zip(towers, states, shapes, strict=True):
        _replay(tower, tower_states, tower_shapes, gradients)
    return value.detach()


def _merged(outputs: Sequence[Embeddings]) -> Embeddings:
    merged: Embeddings = {}
    for output in outputs:
        if twice := merged.keys() & output.keys():
            raise ValueError(f"two towers give {sorted(twice)}; their outputs need different names")
        merged |= output
    return merged


def _embed(towers: Sequence[Tower]) -> tuple[list[list[RandomState]], list[list[Embeddings]]]:
    """Every micro-batch without a graph, and the random state before each."""
    states: list[list[RandomState]] = []
    outputs: list[list[Embeddings]] = []
    with torch.no_grad():
        for tower in towers:
            states.append([])
            outputs.append([])
            for part in tower.parts:
                states[-1].append(RandomState())
                outputs[-1].append({name: t.detach() for name, t in tower.encode(part).items()})
    # Weights that autocast has cast here have no graph, and an outer autocast would use them again.
    torch.clear_autocast_cache()
    return states, outputs


def _replay(
    tower: Tower,
    states: Sequence[RandomState],
    shapes: Sequence[Mapping[str, torch.Size]],
    gradients: Mapping[str, Tensor],
) -> None:
    """Every micro-batch again, with a graph and the same random draws, and the kept gradient through it."""
    start = 0
    for part, state, shape in zip(tower.parts, states, shapes, strict=True):
        count = next(iter(shape.values()))[0]
        with state.replayed():
            again = tower.encode(part)
        tensors: list[Tensor] = []
        kept: list[Tensor] = []
        for name, tensor in again.items():
            if tensor.shape != shape[name]:
                raise RuntimeError(f"{name} has another shape in its second pass; a tower must give the same twice")
            if name in gradients and tensor.requires_grad:
                gradient = gradients[name][start : start + count]
                tensors.append(tensor)
                kept.append(gradient[:, : tensor.shape[1]] if tensor.ndim > 1 else gradient)
        if tensors:
            torch.autograd.backward(tensors, kept)
        start += count
