"""Interlaced frames: how they are recognised, and how a whole picture is made of two fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

# FFmpeg's numbers of a track's field order; it writes 4 and 5 for what others call top and bottom first.
_TOP_FIRST, _BOTTOM_FIRST = frozenset({2, 4}), frozenset({3, 5})
# Decoders that leave it to the container to say so. Each picture that HEVC gives is one field, without combs.
_SILENT = frozenset({"huffyuv", "ffvhuff", "mjpeg", "png", "qtrle", "cinepak"})
_WITHOUT_COMBS = frozenset({"hevc"})

Interlacing = Literal["", "marked", "tff", "bff"]


@dataclass(slots=True)
class Picture:
    """A frame with its neighbours in time, where these are needed to see it."""

    frame: VideoFrame
    sample_aspect: float = 1.0  # width of a stored pixel over its height
    before: VideoFrame | None = None
    after: VideoFrame | None = None


class Deinterlacer:
    """Makes whole pictures of a track's interlaced frames (FFmpeg's ``bwdif``); others pass as they are."""

    def __init__(self, video: VideoStream) -> None:
        codec, order = video.codec_context.codec.canonical_name, video.codec_context.field_order
        self._combs = codec not in _WITHOUT_COMBS
        self._order: Interlacing = ""
        if codec in _SILENT:
            self._order = "tff" if order in _TOP_FIRST else "bff" if order in _BOTTOM_FIRST else ""
        self._last: Picture | None = None

    def interlacing(self, frame: VideoFrame) -> Interlacing:
        """ "" for a whole frame, "marked" where the frame says it, else the order that only the container says."""
        if not self._combs:
            return ""
        return "marked" if frame.interlaced_frame else self._order

    def follow(self, frame: VideoFrame, sample_aspect: float) -> Picture:
        """The frame as a picture that learns its neighbours. Call it for every frame in order."""
        picture, last = Picture(frame, sample_aspect), self._last
        if last is not None and self.interlacing(last.frame):
            last.after = frame
        if last is not None and self.interlacing(frame):
            picture.before = last.frame
        self._last = picture
        return picture

    def __call__(self, picture: Picture) -> VideoFrame:
        """Only the planes of the result count: its tags may be lost."""
        kind = self.interlacing(picture.frame)
        if not kind:
            return picture.frame
        frames = [
            f for f in (picture.before, picture.frame, picture.after) if f is not None and _alike(f, picture.frame)
        ]
        graph = _graph(picture.frame, kind)
        for frame in frames:
            graph.vpush(frame)
        graph.vpush(None)
        place = next(number for number, frame in enumerate(frames) if frame is picture.frame)
        for _ in range(place):
            graph.vpull()
        return graph.vpull()


def _alike(a: VideoFrame, b: VideoFrame) -> bool:
    return (a.width, a.height, a.format.name) == (b.width, b.height, b.format.name)


def _graph(frame: VideoFrame, kind: Interlacing) -> Graph:
    graph = Graph()
    graph.threads = 1
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)]
    if kind != "marked":
        nodes.append(graph.add("setfield", kind))
    nodes += [graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")]
    graph.link_nodes(*nodes).configure()
    return graph
