"""What the numbers of a frame stand for: matrix and range, transfer curve, gamut. And how bright an HDR video is.

A tag in the picture stream counts before one in the container; what neither says is taken as Chromium does.
"""

from __future__ import annotations

from typing import Literal

import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from worker.media.tones import Codes, luminance, white_of
from worker.types import ByteImage, Colors

UNSPECIFIED = 2  # the same number in the lists of matrices, transfer curves and primaries (ITU-T H.273)
HD_LINES = 720  # pictures of fewer lines that say nothing are BT.601
SAMPLE_SIDE = 128
SAMPLES, FRAMES_A_SAMPLE = 8, 24
BRIGHT_SHARE = 0.995  # of the pixels are no brighter than what counts as the brightest light

# ITU-T H.273 numbers of matrices -> FFmpeg's names. YCgCo, constant luminance and ICtCp are taken as the nearest.
_MATRICES = {0: "gbr", 1: "bt709", 4: "fcc", 5: "smpte170m", 6: "smpte170m", 7: "smpte240m", 8: "bt709",
             9: "bt2020nc", 10: "bt2020nc", 14: "bt2020nc"}  # fmt: skip
_SCALER_MATRICES = {"bt709": Colorspace.ITU709, "fcc": Colorspace.FCC, "smpte170m": Colorspace.ITU601,
                    "smpte240m": Colorspace.SMPTE240M, "bt2020nc": Colorspace.BT2020}  # fmt: skip
_GAMUTS: dict[int, Literal["bt709", "bt2020", "p3"]] = {
    ColorPrimaries.BT2020: "bt2020", ColorPrimaries.SMPTE431: "p3", ColorPrimaries.SMPTE432: "p3"}  # fmt: skip
_TRANSFERS: dict[int, Literal["sdr", "pq", "hlg"]] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}


class ColorReader:
    """``colors`` of every frame of one track. Make it before decoding: decoders overwrite what the container said."""

    def __init__(self, video: VideoStream) -> None:
        context = video.codec_context
        self._declared = (context.colorspace, context.color_trc, context.color_primaries)
        self._range = context.color_range

    def __call__(self, frame: VideoFrame) -> Colors:
        found = (frame.colorspace, frame.color_trc, frame.color_primaries)
        matrix, curve, primaries = (
            own if own != UNSPECIFIED else said for own, said in zip(found, self._declared, strict=True)
        )
        transfer: Literal["sdr", "pq", "hlg"] = _TRANSFERS.get(curve, "sdr")
        if primaries == UNSPECIFIED and transfer != "sdr":
            primaries = ColorPrimaries.BT2020
        if frame.format.is_rgb or frame.format.has_palette or len(frame.format.components) < 3:
            name = "gbr"
        elif matrix in _MATRICES and _MATRICES[matrix] != "gbr":
            name = _MATRICES[matrix]
        elif transfer != "sdr":
            name = "bt2020nc"
        else:
            name = "bt709" if frame.height >= HD_LINES else "smpte170m"
        span = frame.color_range if frame.color_range != ColorRange.UNSPECIFIED else self._range
        full = name == "gbr" or span == ColorRange.JPEG or frame.format.name.startswith("yuvj")
        return Colors(name, full, transfer, _GAMUTS.get(primaries, "bt709"))


class RgbScaler:
    """Scales (area averaging) and makes R'G'B' of a frame. One per video; reuses FFmpeg's scaler."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def eight_bits(self, frame: VideoFrame, size: tuple[int, int], colors: Colors) -> ByteImage:
        """(H, W, 3) 0..255. size: (width, height)."""
        return np.asarray(self._scaled(frame, size, "rgb24", colors).to_ndarray(), np.uint8)

    def sixteen_bits(self, frame: VideoFrame, size: tuple[int, int], colors: Colors) -> Codes:
        """(H, W, 3) 0..65535. size: (width, height)."""
        return np.asarray(self._scaled(frame, size, "rgb48le", colors).to_ndarray(), np.uint16)

    def _scaled(self, frame: VideoFrame, size: tuple[int, int], layout: str, colors: Colors) -> VideoFrame:
        matrix = _SCALER_MATRICES.get(colors.matrix)
        span = None if matrix is None else ColorRange.JPEG if colors.full_range else ColorRange.MPEG
        return self._reformatter.reformat(frame, *size, layout, src_colorspace=matrix, interpolation="AREA",
                                          src_color_range=span, dst_color_range=ColorRange.JPEG, threads=1)  # fmt: skip


def measure_white(container: InputContainer, video: VideoStream, colors: ColorReader) -> float:
    """The nits that become white in this HDR video, by a few frames from all over it. Moves the reading position."""
    scaler, peak = RgbScaler(), 0.0
    length, start = container.duration or 0, container.start_time or 0
    for number in range(SAMPLES):  # the first are those of the beginning: not every file can be searched
        target = start + length * number // SAMPLES
        try:
            if number:
                container.seek(target)
            for count, frame in enumerate(container.decode(video)):
                peak = max(peak, _brightest(scaler, frame, colors(frame)))
                arrived = number > 0 and (frame.time is None or frame.time * 1_000_000 >= target)
                if arrived or count >= FRAMES_A_SAMPLE:
                    break
        except (av.error.FFmpegError, EOFError):
            continue  # what is torn is found by the whole decode
    return white_of(peak)


def _brightest(scaler: RgbScaler, frame: VideoFrame, colors: Colors) -> float:
    """Nits."""
    if colors.transfer == "sdr":
        return 0.0
    share = min(1.0, SAMPLE_SIDE / min(frame.width, frame.height))
    size = max(1, round(frame.width * share)), max(1, round(frame.height * share))
    return float(np.quantile(luminance(scaler.sixteen_bits(frame, size, colors), colors), BRIGHT_SHARE))
