"""Videos whose clips show a known word, with known titles and subtitles."""

from __future__ import annotations

import numpy as np

from apps.embeddings.models import ModelVersion
from apps.embeddings.vector_index import PgVectorIndex
from apps.videos.models import TextSegment, Video
from tests.apps.embeddings.library import clip_rows, make_video
from tests.apps.embeddings.towers import word_vector


def towards(word: str, cosine: float, seed: int = 0) -> np.ndarray:
    """A unit vector with this cosine to the word; the rest points where no word does."""
    aside = np.zeros(16, np.float32)
    aside[9 + seed % 7] = 1.0
    return (cosine * word_vector(word) + np.sqrt(1 - cosine**2) * aside).astype(np.float32)


def plant(
    version: ModelVersion | None,
    title: str,
    clips: list[tuple[str, float]] = (),  # type: ignore[assignment]
    *,
    subtitles: list[tuple[float, float, str]] = (),  # type: ignore[assignment]
    description: str = "",
    **video: object,
) -> Video:
    """A video with 4 s clips, each (word, cosine), with its title and description as text segments."""
    made = make_video(title, **video)  # type: ignore[arg-type]
    if version is not None and clips:
        rows = clip_rows(np.stack([towards(word, cosine, i) for i, (word, cosine) in enumerate(clips)]))
        PgVectorIndex().upsert("clip", made.id, version.id, rows)
    texts = [("title", 0.0, 60.0, title), *([("description", 0.0, 60.0, description)] if description else [])]
    texts += [("subtitle", *cue) for cue in subtitles]
    TextSegment.objects.bulk_create(
        TextSegment(video=made, source=source, start=start, end=end, text=text) for source, start, end, text in texts
    )
    return made
