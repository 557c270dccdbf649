"""Spans of different lengths in one array, and caches of arrays that survive a kill."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """(N,) lengths -> (N + 1,) where each span starts, and the end."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def span_rows(starts: np.ndarray, picked: np.ndarray) -> np.ndarray:
    """Row numbers of the picked spans, one after the other."""
    return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in picked] or [np.empty(0, np.int64)])


def ragged(values: np.ndarray, starts: np.ndarray, picked: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Spans ``picked`` as (B, longest, ...) padded with zeros, and (B, longest) bool: evenly thinned where longer."""
    lengths = np.minimum(np.diff(starts)[picked], longest)
    width = int(lengths.max(initial=1))
    out = np.zeros((len(picked), width, *values.shape[1:]), np.float32)
    mask = np.arange(width)[None, :] < lengths[:, None]
    for row, (item, count) in enumerate(zip(picked, lengths, strict=True)):
        span = np.arange(starts[item], starts[item + 1])
        out[row, :count] = values[span[np.linspace(0, len(span) - 1, count).round().astype(int)]]
    return out, mask


def cache_file(folder: Path, kind: str, *key: object) -> Path:
    """The .npz that is named by what it depends on (JSON values)."""
    return folder / f"{kind}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]}.npz"


def save_arrays(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """An .npz that is whole or not there."""
    fresh = file.with_suffix(f".{os.getpid()}.new")
    with fresh.open("wb") as handle:
        np.savez(handle, **arrays)  # type: ignore[arg-type]
    os.replace(fresh, file)
