"""What the pictures of a proxy go through, as filters of the ffmpeg program, so that they look as our own pictures."""

from __future__ import annotations

import os

from worker.media.tones import is_plain
from worker.types import ProbeFacts

SHORT_SIDE = 720
Filter = tuple[str, dict[str, str]]

_TURNS: dict[int, list[Filter]] = {
    0: [],
    90: [("transpose", {"dir": "clock"})],
    180: [("hflip", {}), ("vflip", {})],
    270: [("transpose", {"dir": "cclock"})],
}
_BROADCAST = frozenset({"h264", "mpeg2video", "vc1"})
_BT709 = {"color_primaries": "bt709", "color_trc": "bt709"}


def picture_filters(facts: ProbeFacts, cube: str | os.PathLike[str]) -> list[Filter]:
    """(name, options) in order: whole pictures, upright, square pixels, even sides, the short one at most 720, SDR.

    cube: the table that ``worker.media.tones.write_cube`` wrote; not read for ordinary colours. ffmpeg itself must
    not turn the pictures (``-noautorotate``): fields are only next to each other before.
    """
    shrink = min(1.0, SHORT_SIDE / min(facts.width, facts.height))
    width, height = (max(2, round(side * shrink / 2) * 2) for side in (facts.width, facts.height))
    scaled: Filter = ("scale", {"w": str(width), "h": str(height)})
    colors = facts.colors
    source = dict(_BT709)  # the curve and gamut of HDR go by the table, and FFmpeg must not convert them itself
    if colors.matrix != "gbr":
        source |= {"range": "pc" if colors.full_range else "tv", "colorspace": colors.matrix}
    filters: list[Filter] = [("setparams", source), *_whole(facts), *_TURNS[facts.rotation]]
    if facts.mirrored:
        filters.append(("hflip", {}))
    if is_plain(colors):
        filters.append(("scale", scaled[1] | {"out_color_matrix": "bt709", "out_range": "tv"}))
    else:
        filters += [scaled, ("format", {"pix_fmts": "gbrp16le"}),
                    ("lut3d", {"file": os.fspath(cube), "interp": "tetrahedral"}),
                    ("scale", {"out_color_matrix": "bt709", "out_range": "tv"})]  # fmt: skip
    return [*filters, ("setsar", {"sar": "1"}), ("format", {"pix_fmts": "yuv420p"}),
            ("setparams", {"range": "tv", **_BT709, "colorspace": "bt709"}),
            ("sidedata", {"mode": "delete", "type": "DISPLAYMATRIX"})]  # fmt: skip


def _whole(facts: ProbeFacts) -> list[Filter]:
    """Of codecs of broadcasts also where no frame was marked yet: interlaced ones may follow.

    Not more often than that: ffmpeg begins its filters anew where the size, or a matrix in the picture stream, changes,
    and the frame that waits here for its neighbour is lost.
    """
    if not facts.interlacing and (facts.video_codec not in _BROADCAST or facts.upright_by_codec):
        return []
    order: list[Filter] = [("setfield", {"mode": facts.interlacing})] if facts.interlacing in ("tff", "bff") else []
    return [*order, ("bwdif", {"mode": "send_frame", "deint": "interlaced"})]
