"""Where in one video something is seen or said: for the timeline of the player and the API."""

from __future__ import annotations

from apps.embeddings.models import ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.embeddings.text_encoder import encode_query
from apps.embeddings.vector_index import PgVectorIndex
from apps.search.query import ParsedQuery
from apps.search.ranking import VISUAL, Found, Moment, rank_videos
from apps.search.words import text_hits
from apps.videos.models import Video

DEPTH = 50


def moments_in(video: Video, query: ParsedQuery) -> list[Moment]:
    """The best five moments, best first, none overlapping another; empty for an empty query.

    Unavailable when the text encoder is down."""
    if query.empty:
        return []
    here = {video.id}
    visual: list[Found] = []
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    if version is not None and query.text:
        vectors = encode_query(version, [query.text])
        (hits,) = PgVectorIndex().search("clip", version.id, vectors, DEPTH, video_ids=here)
        visual = [Found(hit.video_id, hit.start, hit.end, VISUAL, hit.score) for hit in hits]
    words = text_hits(text=query.text, phrases=query.phrases, video_ids=here, exclude=(), limit=DEPTH)
    ranked = rank_videos(visual, words)
    return ranked[0].moments if ranked else []
