"""Edited copies of library clips: what was cut, changed or joined, and which seconds show which."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from demo.encode import write_video
from demo.manifest import ClipEntry, CopyEntry, SpanEntry
from demo.recipes import recipe_hash


@dataclass(frozen=True, slots=True)
class Edit:
    name: str
    file: str
    filters: str = ""  # ffmpeg filters for the picture
    trim: tuple[float, float] = (0.0, 0.0)  # seconds cut off at the start and at the end
    speed: float = 1.0
    overlay: str = ""  # "logo" or words to write
    pieces: int = 1  # sources that are joined
    codec: tuple[str, ...] = ()


EDITS: tuple[Edit, ...] = (
    Edit("trim", "harbor evening (1).mp4", trim=(1.5, 1.0)),
    Edit("crop", "VID_20240611_183012.mp4", "crop=iw*0.8:ih*0.8,scale=320:180"),
    Edit("logo", "channel upload 12.mp4", overlay="logo"),
    Edit("letterbox", "movie night.mp4", "scale=320:136,pad=320:180:0:22:black"),
    Edit("speed", "recap short.mp4", speed=1.25),
    Edit("slow", "relax.mp4", speed=0.8),
    Edit("low bitrate", "forwarded many times.mp4", "scale=214:120", codec=("-crf", "34")),
    Edit("other codec", "archive copy.avi", codec=("-c:v", "mpeg4", "-q:v", "6", "-pix_fmt", "yuv420p")),
    Edit("mirrored", "untitled 3.mp4", "hflip"),
    Edit("stitched", "best of summer.mp4", pieces=3),
    Edit("brightness", "tv recording.mp4", "eq=brightness=0.10:contrast=1.15:saturation=1.2"),
    Edit("gray", "old memories.mp4", "hue=s=0"),
    Edit("scaled", "for the website.mp4", "scale=480:270"),
    Edit("text overlay", "funny moment.mp4", overlay="wait for it..."),
    Edit("trim and mirrored", "clip_final_v2.mp4", "hflip", trim=(1.0, 1.5)),
    Edit(
        "crop, low bitrate",
        "WhatsApp Video 2024-07-03.mp4",
        "crop=iw*0.85:ih*0.85:iw*0.12:ih*0.05,scale=256:144",
        codec=("-crf", "32"),
    ),
    Edit("stitched", "family compilation.mp4", pieces=3),
    Edit("vertical crop", "story 0815.mp4", "crop=ih*3/4:ih,scale=180:240"),
    Edit("speed and logo", "trailer.mp4", speed=1.25, overlay="logo"),
    Edit("frame rate", "screen capture.webm", "fps=10"),
    Edit("stitched", "school project.mp4", pieces=2),
)


@dataclass(frozen=True, slots=True)
class CopyPlan:
    edit: Edit
    sources: tuple[str, ...]
    source_recipes: tuple[str, ...]
    spans: tuple[tuple[float, float], ...]  # the seconds taken of each source


def plan_copies(seed: int, clips: list[ClipEntry], count: int = len(EDITS)) -> list[CopyPlan]:
    """Chooses sources for the first ``count`` edits; no source twice while there are enough clips."""
    rng = np.random.default_rng([seed, 77])
    able = [clip for clip in clips if not clip.file.endswith((".gif", ".ts")) and not clip.subtitles]
    order: list[ClipEntry] = []
    plans = []
    for edit in EDITS[:count]:
        while able and len(order) < edit.pieces:
            order.extend(able[i] for i in rng.permutation(len(able)))
        chosen, order = order[: edit.pieces], order[edit.pieces :]
        if len(chosen) < edit.pieces or len({clip.file for clip in chosen}) < edit.pieces:
            continue
        spans = []
        for clip in chosen:
            if edit.pieces == 1:
                spans.append((edit.trim[0], round(clip.duration - edit.trim[1], 3)))
            else:
                start = round(float(rng.uniform(0.3, max(0.4, clip.duration - 4.2))), 1)
                spans.append((start, round(min(clip.duration, start + 4.0), 3)))
        plans.append(CopyPlan(edit, tuple(c.file for c in chosen), tuple(c.recipe for c in chosen), tuple(spans)))
    return plans


def describe_copy(plan: CopyPlan) -> CopyEntry:
    """The manifest entry: query spans follow one another, divided by the speed."""
    spans, clock = [], 0.0
    for source, (start, end) in zip(plan.sources, plan.spans, strict=True):
        length = (end - start) / plan.edit.speed
        spans.append(SpanEntry((round(clock, 3), round(clock + length, 3)), (start, end), source))
        clock += length
    return CopyEntry(
        file=plan.edit.file,
        title=plan.edit.file.rpartition(".")[0],
        edit=plan.edit.name,
        sources=list(plan.sources),
        spans=spans,
        duration=round(clock, 3),
        recipe=recipe_hash(plan),
    )


def _overlay_picture(words: str) -> Image.Image:
    """A transparent picture to lay over the frame: a round channel logo, or words with an outline."""
    image = Image.new("RGBA", (320, 180), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    if words == "logo":
        pen.ellipse([268, 10, 308, 50], fill=(226, 44, 60, 235), outline=(255, 255, 255, 255), width=3)
        pen.text((288, 30), "TV7", fill=(255, 255, 255, 255), font=ImageFont.load_default(14), anchor="mm")
    else:
        pen.text(
            (160, 156),
            words,
            fill=(255, 255, 255, 255),
            font=ImageFont.load_default(26),
            anchor="mm",
            stroke_width=2,
            stroke_fill=(0, 0, 0, 255),
        )
    return image


def _filtered(stream: Any, chain: str) -> Any:
    """``stream`` through ``name=value:key=value,name=...``."""
    for step in filter(None, chain.split(",")):
        name, _, values = step.partition("=")
        named = dict(value.split("=") for value in values.split(":") if "=" in value)
        stream = stream.filter(name, *(value for value in values.split(":") if value and "=" not in value), **named)
    return stream


def _picture(plan: CopyPlan, folder: Path) -> Any:
    """The edited picture as a stream of ffmpeg-python, but for what is laid over it."""
    edit, parts = plan.edit, []
    for source, (start, end) in zip(plan.sources, plan.spans, strict=True):
        part = ffmpeg.input(f"file:{folder / source}")["v"].filter("trim", start, end)
        part = part.filter("setpts", f"(PTS-STARTPTS)/{edit.speed}")
        if edit.pieces > 1:
            part = _filtered(part, "scale=320:180,setsar=1,fps=15,format=yuv420p")
        elif edit.speed != 1.0:
            part = part.filter("fps", 15)
        parts.append(part)
    return _filtered(ffmpeg.concat(*parts) if len(parts) > 1 else parts[0], edit.filters)


def render_copy(plan: CopyPlan, folder: Path) -> None:
    """Makes the copy in ``folder``, where its sources lie. Raises RenderError."""
    picture, edit = _picture(plan, folder), plan.edit
    codec = {name.removeprefix("-"): value for name, value in zip(edit.codec[::2], edit.codec[1::2], strict=True)}
    with tempfile.NamedTemporaryFile(suffix=".png") as overlay:
        if edit.overlay:
            _overlay_picture(edit.overlay).save(overlay, format="PNG")
            overlay.flush()
            picture = picture.filter("scale", 320, 180).overlay(ffmpeg.input(overlay.name))
        write_video([picture], folder / edit.file, codec)
