"""A little data set whose captions say what the pictures show, in the words that the tiny models know."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from worker.training.data.items import Item
from worker.training.data.manifest import write_manifest

SUBJECTS = {
    "red dog": (220, 30, 30),
    "beach": (230, 210, 120),
    "kitchen": (120, 120, 120),
    "night": (10, 10, 40),
    "snows outside": (250, 250, 250),
    "window": (60, 140, 230),
}


def photo_items(folder: Path, count: int = 60) -> list[Item]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    items = []
    for number in range(count):
        name = list(SUBJECTS)[number % len(SUBJECTS)]
        noise = rng.normal(0, 12, (24, 32, 3))
        picture = np.clip(np.array(SUBJECTS[name]) + noise + rng.normal(0, 8, 3), 0, 255).astype(np.uint8)
        path = folder / f"{number}.png"
        Image.fromarray(picture).save(path)
        words = ["a", "the", "two", "people", "talk", "at", "in", "on", "seen"]
        captions = tuple(f"{' '.join(rng.permutation(words)[:2])} {name}" for _ in range(2))
        items.append(Item(f"photo-{number}", captions, frames=(path,)))
    return items


def photo_manifest(folder: Path, count: int = 60) -> Path:
    path = folder / "manifest.jsonl"
    write_manifest(photo_items(folder / "photos", count), path)
    return path
