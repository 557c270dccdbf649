"""What pages say about search: the active model, times as people write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django import template

from apps.core.exceptions import VSearchError
from apps.embeddings.models import ClipEmbedding, ModelVersion
from apps.embeddings.selectors import model_version_serving
from apps.search.moments import Moment
from apps.search.query import parse_query
from apps.search.retrieval import moments_in
from apps.videos.models import Shot, Video
from apps.videos.selectors import thumbnail_url

register = template.Library()

BUNDLED = "bundled"
# The web process has no torch to ask; these exist wherever an NVIDIA driver is loaded.
GPU_SIGNS = (Path("/dev/nvidia0"), Path("/proc/driver/nvidia/version"))
FOR_GPU = "google/siglip2-base-patch16-224"
FOR_CPU = "openai/clip-vit-base-patch32"


@dataclass(frozen=True, slots=True)
class ServingModel:
    """``name`` is "" while no model is active; ``suggestion`` is the hub id to install instead of the bundled one."""

    name: str
    label: str
    suggestion: str
    has_gpu: bool

    @property
    def install_command(self) -> str:
        return f"python manage.py model install {self.suggestion}" if self.suggestion else ""


@register.simple_tag
def serving_model() -> ServingModel:
    """One query."""
    version = model_version_serving(ModelVersion.Role.SEMANTIC)
    has_gpu = any(sign.exists() for sign in GPU_SIGNS)
    if version is None:
        return ServingModel("", "", "", has_gpu)
    if version.name != BUNDLED:
        return ServingModel(version.shown_name, version.shown_name, "", has_gpu)
    return ServingModel(version.shown_name, "bundled (small)", FOR_GPU if has_gpu else FOR_CPU, has_gpu)


@dataclass(frozen=True, slots=True)
class MomentsFound:
    """``problem`` says why nothing could be looked for; ``moments`` are by time."""

    moments: tuple[Moment, ...] = ()
    problem: str = ""


@register.simple_tag
def moments_of_query(video: Video, text: str) -> MomentsFound:
    """The moments of ``video`` for the words; a part that is down becomes ``problem``: the video still plays."""
    if not text.strip() or video.state != Video.State.READY:
        return MomentsFound()
    try:
        found = moments_in(video, parse_query(text))
    except VSearchError as error:
        return MomentsFound(problem=error.message)
    return MomentsFound(tuple(sorted(found, key=lambda moment: moment.start)))


@register.simple_tag
def indexed_with(video: Video) -> list[ModelVersion]:
    """The models that made the stored clip vectors of the video, the active one first."""
    found = ClipEmbedding.objects.filter(video_id=video.id).values("model_version_id")
    versions = ModelVersion.objects.filter(id__in=found)
    return sorted(versions, key=lambda version: version.state != ModelVersion.State.SERVING)


@register.filter
def percent(part: float | None, whole: float | None) -> str:
    """For attributes of SVG: 3 of 12 -> "25.00"; within 0..100; "0" without a whole."""
    if not part or not whole:
        return "0"
    return f"{min(100.0, max(0.0, 100.0 * part / whole)):.2f}"


@register.filter
def span_percent(moment: Moment, whole: float | None) -> str:
    """The width of the moment on a line of ``whole`` seconds; never too thin to be seen."""
    share = 100.0 * (moment.end - moment.start) / whole if whole else 0.0
    return f"{min(100.0, max(0.6, share)):.2f}"


@register.filter
def picture_of(video: Video, shot: Shot) -> str:
    """Address of the thumbnail nearest to the key frame of the shot."""
    return thumbnail_url(video, shot.key_time, shot.key_time)


@register.filter
def plain_number(seconds: float | None) -> str:
    """For addresses and data attributes: 12.5 -> "12.5", 12.0 -> "12"."""
    return f"{seconds or 0.0:.2f}".rstrip("0").rstrip(".")
