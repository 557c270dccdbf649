"""What is asked of the library, complete in itself.

A Question carries its vector, so that a later page asks exactly what the first one asked, whatever model is in use by
then.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from apps.embeddings.models import ModelVersion
from apps.embeddings.text_encoder import encode_query
from apps.search.filters import NO_FILTERS, SearchFilters
from apps.search.query import ParsedQuery

HALVES = "<f2"


@dataclass(frozen=True)
class Question:
    """``vector``: (D,) of ``version_id``, or None when only words are looked for. ``like``: (video, start, end) that
    must not answer "more like this"."""

    text: str = ""
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    filters: SearchFilters = NO_FILTERS
    version_id: UUID | None = None
    vector: NDArray[np.float32] | None = None
    like: tuple[UUID, float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        halves = b"" if self.vector is None else self.vector.astype(HALVES).tobytes()
        return {
            "text": self.text,
            "phrases": self.phrases,
            "excluded": self.excluded,
            "filters": self.filters.as_json(),
            "version_id": str(self.version_id) if self.version_id else None,
            "vector": base64.b64encode(halves).decode(),
            "like": [str(self.like[0]), self.like[1], self.like[2]] if self.like else None,
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Question:
        filters = dict(kept["filters"])
        for name in ("since", "until"):
            filters[name] = date.fromisoformat(filters[name]) if filters[name] else None
        filters["tags"] = tuple(filters["tags"])
        halves = np.frombuffer(base64.b64decode(kept["vector"]), HALVES).astype(np.float32)
        like = kept["like"]
        return cls(
            text=kept["text"],
            phrases=tuple(kept["phrases"]),
            excluded=tuple(kept["excluded"]),
            filters=SearchFilters(**filters),
            version_id=UUID(kept["version_id"]) if kept["version_id"] else None,
            vector=halves if len(halves) else None,
            like=(UUID(like[0]), like[1], like[2]) if like else None,
        )


def question_of(parsed: ParsedQuery, version: ModelVersion | None, filters: SearchFilters = NO_FILTERS) -> Question:
    """Costs one run of the text encoder of ``version``; without one only words are looked for.

    Unavailable when the encoder is down."""
    vector = None
    if version is not None and parsed.text:
        # Halves, as a later page reads them; the index compares halves anyway.
        vector = encode_query(version, [parsed.text])[0].astype(HALVES).astype(np.float32)
    version_id = version.id if version is not None else None
    return Question(parsed.text, parsed.phrases, parsed.excluded, filters, version_id, vector)
