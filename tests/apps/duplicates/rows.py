"""Small libraries for the tests of duplicates: videos without files, matches by hand."""

from __future__ import annotations

import hashlib
from itertools import count
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.test import Client

from apps.duplicates.groups.matches import FoundMatch, matches_replace
from apps.duplicates.models import DuplicateGroup, VideoMatch
from apps.embeddings.models import ModelVersion
from apps.videos.models import Video
from worker.types import Segment

_numbers = count(1)


def make_video(title: str = "", *, sha256: str = "", duration: float = 20.0, **fields: object) -> Video:
    number = next(_numbers)
    content = sha256 or hashlib.sha256(f"{title}-{number}".encode()).hexdigest()
    fields = {"width": 320, "height": 240, "video_codec": "h264", "bit_rate": 500_000, **fields}
    return Video.objects.create(
        sha256=content,
        title=title or f"Video {number}",
        original_name=f"{title or number}.mp4",
        path=f"/library/{title or number}.mp4",
        source=Video.Source.IMPORT,
        state=Video.State.READY,
        duration_seconds=duration,
        **fields,
    )


def make_version(
    state: str = ModelVersion.State.SERVING, *, name: str = "bundled-copy", dim: int = 128
) -> ModelVersion:
    return ModelVersion.objects.create(role=ModelVersion.Role.COPY, name=name, dim=dim, state=state)


def span(q: tuple[float, float], r: tuple[float, float], score: float = 0.9) -> Segment:
    return Segment(*q, *r, score, score)


def found(video: Video, relation: str = "near_duplicate", score: float = 0.9, **fields: object) -> FoundMatch:
    values = {"query_coverage": 1.0, "reference_coverage": 1.0, "mirrored": False, **fields}
    segments = values.pop("segments", [span((0, 20), (0, 20), score)])
    return FoundMatch(video_id=video.id, relation=relation, score=score, segments=segments, **values)  # type: ignore[arg-type]


def match(version: ModelVersion, video: Video, *others: FoundMatch) -> None:
    """Add matches of ``video`` to those that it has."""
    mine = VideoMatch.objects.filter(model_version=version)
    held = []
    for row in (mine.filter(a=video) | mine.filter(b=video)).select_related("a", "b"):
        other = row.b if row.a_id == video.id else row.a
        held.append(found(other, row.relation, row.score))
    matches_replace(video_id=video.id, model_version_id=version.id, found=[*held, *others])


def groups() -> dict[frozenset[UUID], DuplicateGroup]:
    return {frozenset(g.members.values_list("id", flat=True)): g for g in DuplicateGroup.objects.all()}


def ids(*videos: Video) -> frozenset[UUID]:
    return frozenset(v.id for v in videos)


def log_in(client: Client, *permissions: str) -> User:
    """A person with these permissions and no others."""
    user = get_user_model().objects.create_user("-".join(permissions) or "nobody")
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user
