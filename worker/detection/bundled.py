"""The trained networks that are part of the repository, each read once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar, cast

from safetensors.torch import load_file
from torch import nn

Net = TypeVar("Net", bound=nn.Module)


def bundled_net(make: Callable[[], Net], weights: Path, *, name: str, folder: str) -> Net:
    """The network with its weights, read again when the file changes. FileNotFoundError says how to get it back."""
    if not weights.is_file():
        raise FileNotFoundError(
            f"The {name}'s weights are missing: {weights}. They are part of the repository; "
            f"run `git checkout -- {folder}` to get them back."
        )
    return cast(Net, _read(make, weights, weights.stat().st_mtime))


@lru_cache(maxsize=8)
def _read(make: Callable[[], nn.Module], weights: Path, modified: float) -> nn.Module:
    net = make()
    net.load_state_dict(load_file(weights))
    return net.eval().requires_grad_(False)
