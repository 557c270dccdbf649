"""Fits the decision on labelled pairs: logistic regression with the signs that make sense, and a ridge.

Pairs come from manifests of ``evaluate copies`` (an edit bench makes them). Only pairs in which an aligner found
something are learned from: all others score 0 anyway. A pair that shares only an intro counts as sharing footage.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.alignment.decision import DECISION_FILE, FEATURES, DecisionModel, score

Floats = NDArray[np.float64]
AGAINST = {"residual", "other_look", "backwards", "speed", "static", "static_look"}  # of all others more is surer
EITHER = {"background"}
RIDGE = 0.005
STEPS, RATE = 6000, 0.3


def design(rows: Sequence[dict[str, float]], length_cap: float) -> Floats:
    """(N, F) in the order of FEATURES."""
    x = np.array([[row[name] for name in FEATURES] for row in rows], dtype=np.float64).reshape(len(rows), len(FEATURES))
    x[:, FEATURES.index("length")] = np.minimum(x[:, FEATURES.index("length")], length_cap)
    return x


def fit_decision(rows: Sequence[dict[str, float]], copies: Sequence[bool], base: DecisionModel) -> DecisionModel:
    """``base`` with fitted bias and weights. Both classes weigh the same, however many pairs each has.

    Projected gradient descent on standardised features; a weight never gets the wrong sign. Raises ValueError when a
    class is missing.
    """
    y = np.asarray(copies, dtype=np.float64)
    if len(y) != len(rows) or not 0 < y.sum() < len(y):
        raise ValueError("fitting a decision needs pairs of both kinds: copies and unrelated ones with a find")
    x = design(rows, base.length_cap)
    centre, scale = x.mean(0), np.maximum(x.std(0), 1e-3)
    z = (x - centre) / scale
    share = np.where(y > 0, 0.5 / y.sum(), 0.5 / (len(y) - y.sum()))
    signs = np.array([0.0 if name in EITHER else -1.0 if name in AGAINST else 1.0 for name in FEATURES])
    weights, bias = np.zeros(len(FEATURES)), 0.0
    for _ in range(STEPS):
        wrong = (1 / (1 + np.exp(-np.clip(z @ weights + bias, -60, 60))) - y) * share
        weights -= RATE * (z.T @ wrong + RIDGE * weights)
        weights = np.where(weights * signs < 0, 0.0, weights)
        bias -= RATE * float(wrong.sum())
    final = weights / scale
    named = {f"{name}_weight": float(w) for name, w in zip(FEATURES, final, strict=True)}
    return replace(base, bias=float(bias - final @ centre), **named)


def read_pairs(path: Path) -> tuple[list[dict[str, float]], list[bool]]:
    """JSON lines {"copy": bool, "features": {...} or null}, as ``benchmarks.edit_bench pairs`` writes them.

    Pairs without a find are left out. Raises ValueError for a line that is something else.
    """
    rows, copies = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        pair = json.loads(line)
        found = pair.get("features")
        if not isinstance(pair.get("copy"), bool) or (found is not None and not set(FEATURES) <= set(found)):
            raise ValueError(f"{path.name}, line {number}: expected copy (true or false) and the features of a pair")
        if found is not None:
            rows.append({name: float(found[name]) for name in FEATURES})
            copies.append(pair["copy"])
    return rows, copies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=Path, nargs="+", help="files of labelled pairs")
    parser.add_argument("--out", type=Path, default=DECISION_FILE)
    args = parser.parse_args()
    rows: list[dict[str, float]] = []
    copies: list[bool] = []
    for path in args.pairs:
        found, labels = read_pairs(path)
        rows += found
        copies += labels
    model = fit_decision(rows, copies, DecisionModel())
    scores = [score(row, model) for row in rows]
    worst = max((s for s, copy in zip(scores, copies, strict=True) if not copy), default=0.0)
    above = sum(s > worst for s, copy in zip(scores, copies, strict=True) if copy)
    model.save(args.out)
    print(f"{sum(copies)} copies and {len(copies) - sum(copies)} unrelated pairs with a find")
    print(f"surest unrelated pair {worst:.4f}; {above} copies above it; wrote {args.out}")


if __name__ == "__main__":
    main()
