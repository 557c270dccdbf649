"""Turns the light of HDR and wide-gamut video into ordinary pictures: BT.709 colours for an SDR display.

One function for pictures (numpy) and proxies (the same function as a table, ffmpeg's ``lut3d``), so that both look
alike. Sources: SMPTE ST 2084 (PQ), ITU-R BT.2100 (HLG on a display of 1000 nits), BT.1886 (gamma 2.4
of an SDR display), BT.2408 (HDR reference white of 203 nits). The shoulder is the Moebius curve of FFmpeg's
``tonemap``: up to 80 % of the white light passes as it is, so that footage that was SDR once comes back unchanged.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worker.types import Colors, FloatArray

Codes = NDArray[np.uint16]  # (..., 3) R'G'B' as stored, 0..65535

PEAK_NITS = 1000.0
REFERENCE_WHITE = 203.0  # of a picture that was graded for HDR
SDR_WHITE = 100.0  # of an SDR picture that was only wrapped in HDR
WRAPPED_PEAK, GRADED_PEAK = 110.0, 140.0  # nits: no light above the first, wrapped; above the second, graded
SHOULDER = 0.8  # of white
SDR_GAMMA = 2.4
TABLE_BITS = 12
CUBE_SIDE = 65

# Linear light of the gamut to linear light of BT.709, both with white D65 (BT.2407; SMPTE EG 432-1).
_TO_BT709 = {
    "bt709": np.eye(3),
    "bt2020": np.array([[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349],
                        [-0.018151, -0.100579, 1.118730]]),
    "p3": np.array([[1.224940, -0.224940, 0.0], [-0.042057, 1.042057, 0.0], [-0.019638, -0.078636, 1.098274]]),
}  # fmt: skip
_LUMINANCE = {"bt709": (0.2126, 0.7152, 0.0722), "bt2020": (0.2627, 0.6780, 0.0593), "p3": (0.2290, 0.6917, 0.0793)}


def is_plain(colors: Colors) -> bool:
    """Whether the pictures are ordinary ones already."""
    return colors.transfer == "sdr" and colors.gamut == "bt709"


@cache
def _linear(transfer: str) -> FloatArray:
    """What a code stands for: nits (PQ, HLG), or display light 0..1 (SDR). 2 ** TABLE_BITS values.

    HLG's system gamma of 1.2 is applied to each channel, which gives the colours of an SDR camera (BT.2408).
    """
    code = np.linspace(0.0, 1.0, 1 << TABLE_BITS)
    if transfer == "pq":
        root = code ** (1 / 78.84375)
        light = 10_000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    elif transfer == "hlg":
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        light = PEAK_NITS * scene**1.2
    else:
        light = code**SDR_GAMMA
    return light.astype(np.float32)


def nits(codes: Codes, colors: Colors) -> FloatArray:
    """(..., 3) light of an HDR picture on a display of 1000 nits, in the picture's own gamut."""
    return np.asarray(_linear(colors.transfer)[codes >> (16 - TABLE_BITS)], np.float32)


def luminance(codes: Codes, colors: Colors) -> FloatArray:
    """(...) nits of an HDR picture as an eye weighs them."""
    return np.asarray(nits(codes, colors) @ np.array(_LUMINANCE[colors.gamut], np.float32), np.float32)


def white_of(peak: float) -> float:
    """The nits that become SDR white in footage whose brightest light has ``peak`` nits.

    Diffuse white of graded footage is 203 nits. SDR footage is often put into an HDR file with its white at 100; in
    such a file nothing is brighter.
    """
    graded = min(1.0, max(0.0, (peak - WRAPPED_PEAK) / (GRADED_PEAK - WRAPPED_PEAK)))
    return SDR_WHITE + graded * (REFERENCE_WHITE - SDR_WHITE)


def _shoulder(light: FloatArray, peak: float) -> FloatArray:
    """light, peak: in units of white. The peak becomes 1; below SHOULDER nothing changes."""
    j = SHOULDER
    a = -j * j * (peak - 1) / (j * j - 2 * j + peak)
    b = (j * j - 2 * j * peak + peak) / (peak - 1)
    above = np.maximum(light, j)
    curve = (b * b + 2 * b * j + j * j) / (b - a) * (above + a) / (above + b)
    return np.where(light <= j, light, np.minimum(curve, 1.0))


def to_sdr(codes: Codes, colors: Colors, white: float) -> FloatArray:
    """(..., 3) R'G'B' 0..1 in BT.709 for an SDR display. white: nits that become white, see ``white_of``."""
    if colors.transfer == "sdr":
        light = _linear("sdr")[codes >> (16 - TABLE_BITS)]
    else:
        light = nits(codes, colors) / np.float32(white)
        brightest = np.maximum(light.max(axis=-1, keepdims=True), np.float32(1e-6))
        light = light * (_shoulder(brightest, PEAK_NITS / white) / brightest)
    light = np.clip(light @ _TO_BT709[colors.gamut].T.astype(np.float32), 0.0, 1.0)
    return np.asarray(light ** np.float32(1 / SDR_GAMMA), np.float32)


def write_cube(path: str | os.PathLike[str], colors: Colors, white: float) -> None:
    """``to_sdr`` as a table that ffmpeg's ``lut3d`` reads."""
    codes = np.linspace(0, 65535, CUBE_SIDE).round().astype(np.uint16)
    blue, green, red = np.meshgrid(codes, codes, codes, indexing="ij")  # red changes fastest
    table = to_sdr(np.stack([red, green, blue], axis=-1).reshape(-1, 3), colors, white)
    rows = "\n".join(f"{r:.5f} {g:.5f} {b:.5f}" for r, g, b in table.tolist())
    Path(path).write_text(f"LUT_3D_SIZE {CUBE_SIDE}\n{rows}\n", encoding="ascii")
