"""Resumable training state in safetensors: tensors beside a small JSON, swapped in by one rename."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{i}.{k}": torch.as_tensor(v).contiguous() for i, s in state.items() for k, v in s.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".", 2)
            state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)


def save_checkpoint(
    folder: Path, modules: dict[str, Any], optimizer: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    """Write ``folder`` whole or not at all: a kill in the middle leaves the checkpoint before it."""
    fresh = folder.with_name(folder.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    tensors = {f"{name}.{k}": v.contiguous() for name, m in modules.items() for k, v in m.state_dict().items()}
    save_file({**tensors, **_optimizer_tensors(optimizer)}, fresh / "state.safetensors")
    # Written last and whole: a folder that holds it is complete.
    (fresh / "progress.part").write_text(json.dumps(progress))
    os.replace(fresh / "progress.part", fresh / "progress.json")
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def whole_checkpoint(folder: Path) -> Path | None:
    """Where the newest complete checkpoint lies: a kill between two renames leaves it under another name."""
    names = (folder, folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old"))
    return next((name for name in names if (name / "progress.json").exists()), None)


def load_checkpoint(
    folder: Path, modules: dict[str, Any], optimizer: torch.optim.Optimizer | None = None
) -> dict[str, Any] | None:
    """Restore what ``save_checkpoint`` wrote and return its progress, or None if there is none yet."""
    whole = whole_checkpoint(folder)
    if whole is None:
        return None
    tensors = load_file(whole / "state.safetensors")
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    if optimizer is not None:
        _restore_optimizer(optimizer, tensors)
    progress: dict[str, Any] = json.loads((whole / "progress.json").read_text())
    return progress
