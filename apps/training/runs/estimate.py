"""What a run will cost, roughly, before it is started. The job's first stage measures it better. Pure."""

from __future__ import annotations

from typing import Any

# Seconds on two processor cores. Frames, heads and towers: benchmarks/embed_speed.py and training_speed.py with the
# bundled model. Captions, decoding, starting and the GPU are guesses that nobody has measured yet.
FRAME_SECONDS = 1 / 170
CAPTION_SECONDS = 1 / 250
HEAD_PAIR_SECONDS = 1 / 5_670  # InfoNCE
WORDS_PAIR_SECONDS = 1 / 1_160  # with words against frames (DMAE)
TOWER_PAIR_SECONDS = 1 / 35  # through both towers and back, four frames a pair
TOWER_PAIR_SECONDS_ON_GPU = TOWER_PAIR_SECONDS / 10
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
    losses = recipe.get("losses", {"info_nce": 1.0})
    pair = WORDS_PAIR_SECONDS if "dmae" in losses else HEAD_PAIR_SECONDS * len(losses)
    return START_SECONDS + embedding + epochs * captions * pair * (1.5 if recipe.get("mining") else 1.0)
