"""Reading and writing our own weights: safetensors, half precision, large tables as int8 rows."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

ROWS_SUFFIX = ".int8_rows"
SCALE_SUFFIX = ".int8_scale"


def files_sha256(paths: list[Path]) -> str:
    """One hash over the contents of ``paths``, in order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def pack(state: dict[str, Tensor], int8_tables: tuple[str, ...] = ()) -> dict[str, Tensor]:
    """Half precision for everything that floats; the named tables as int8 rows with one scale a row."""
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in int8_tables:
            scale = value.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
            packed[name + ROWS_SUFFIX] = (value / scale).round().to(torch.int8)
            packed[name + SCALE_SUFFIX] = scale.to(torch.float16)
        else:
            packed[name] = value.to(torch.float16) if value.is_floating_point() else value
    return {k: v.contiguous() for k, v in packed.items()}


def unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of ``pack``, in float32 (and exact for what was not quantised)."""
    state: dict[str, Tensor] = {}
    for name, value in packed.items():
        if name.endswith(ROWS_SUFFIX):
            base = name.removesuffix(ROWS_SUFFIX)
            state[base] = value.float() * packed[base + SCALE_SUFFIX].float()
        elif not name.endswith(SCALE_SUFFIX):
            state[name] = value.float() if value.is_floating_point() else value
    return state


def save_packed(state: dict[str, Tensor], path: Path, int8_tables: tuple[str, ...] = ()) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(pack(state, int8_tables), path)


def load_packed(path: Path) -> dict[str, Tensor]:
    return unpack(load_file(path))
