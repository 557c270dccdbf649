"""Labelled pairs for the decision: every query of a manifest beside every reference, with what was found.

    python -m benchmarks.decision_pairs BENCH/manifest.json PAIRS.jsonl [--cache FOLDER] [--aligner hough]
    python -m worker.pretraining.copies.decision PAIRS.jsonl

The manifest is one that ``benchmarks.edit_bench make`` writes. ``--cache`` keeps fingerprints between runs (pickle: use
a folder of your own). A pair that shares nothing but an intro is left out: it is neither a copy nor a stranger.
"""

from __future__ import annotations

import argparse
import json
import pickle
from pathlib import Path
from typing import Any

import torch

from worker.alignment import DEFAULT_ALIGNER, match_pair
from worker.alignment.decision import features
from worker.embedders.copies.descriptor import CopyDescriptor
from worker.indexing.fingerprints import fingerprint
from worker.types import Descriptors

NEITHER = {"intro"}


def described(entry: dict[str, Any], folder: Path, copy: CopyDescriptor, cache: Path | None) -> Descriptors:
    held = cache / (entry["id"].replace("/", "__") + ".pkl") if cache else None
    if held is not None and held.exists():
        with held.open("rb") as file:
            found: Descriptors = pickle.load(file)  # noqa: S301  our own files
            return found
    found = fingerprint(folder / entry["video"], copy=copy, role="query")
    if held is not None:
        held.parent.mkdir(parents=True, exist_ok=True)
        with held.open("wb") as file:
            pickle.dump(found, file)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--aligner", default=DEFAULT_ALIGNER)
    args = parser.parse_args()
    torch.set_num_threads(1)
    manifest = json.loads(args.manifest.read_text(encoding="utf-8"))
    copy, folder = CopyDescriptor(), args.manifest.parent
    references = {e["id"]: described(e, folder, copy, args.cache) for e in manifest["references"]}
    with args.out.open("w", encoding="utf-8") as out:
        for entry in manifest["queries"]:
            query = described(entry, folder, copy, args.cache)
            edits: dict[str, set[str]] = {}
            for segment in entry["segments"]:
                edits.setdefault(segment["reference"], set()).add(segment["edit"])
            for name, reference in references.items():
                if edits.get(name) and edits[name] <= NEITHER:
                    continue
                found = match_pair(query, reference, args.aligner).segments
                values = features(found, query.duration, reference.duration) if found else None
                label = {"query": entry["id"], "reference": name, "copy": name in edits}
                pair = {**label, "edits": sorted(edits.get(name, ())), "features": values}
                out.write(json.dumps(pair) + "\n")


if __name__ == "__main__":
    main()
