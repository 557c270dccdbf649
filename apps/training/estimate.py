"""What a run will cost, roughly, before it is started. The job's first stage measures it better. Pure."""

from __future__ import annotations

from typing import Any

# Seconds, measured with the bundled model on two processor cores; a GPU is some ten times as fast.
FRAME_SECONDS = 1 / 150
CAPTION_SECONDS = 1 / 250
HEAD_STEP_SECONDS = 0.25  # a step of tier A with a batch of 1024
TOWER_PAIR_SECONDS = 0.25  # a pair through both towers and back
TOWER_PAIR_SECONDS_ON_GPU = 0.004
DECODE_SECONDS = 0.8  # a short video through the sandboxed decoder
START_SECONDS = 15.0


def estimate_seconds(recipe: dict[str, Any], *, items: int, captions: int) -> float:
    """Seconds of work for a dataset of ``items`` videos and ``captions``; the epochs may end earlier by themselves."""
    frames = int(recipe.get("frames", 12))
    epochs = int(recipe.get("epochs", 20))
    embedding = items * (DECODE_SECONDS + frames * FRAME_SECONDS) + captions * CAPTION_SECONDS
    if recipe.get("tier") == "B":
        pair = TOWER_PAIR_SECONDS_ON_GPU if recipe.get("needs_gpu") else TOWER_PAIR_SECONDS
        return START_SECONDS + embedding + epochs * captions * pair
    batch = max(2, int(recipe.get("batch", 512)))
    steps = -(-captions // batch)
    step = HEAD_STEP_SECONDS * min(1.0, captions / 1024) * len(recipe.get("losses", {"info_nce": 1.0}))
    return START_SECONDS + embedding + epochs * steps * step * (1.5 if recipe.get("mining") else 1.0)
