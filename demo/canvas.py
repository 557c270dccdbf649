"""Anti-aliased drawing on one frame: coordinates are stage units (320 x 180), pixels come from ``scale``.

Everything is drawn larger than it is shown and scaled down at the end; that is the whole anti-aliasing.
Colours are daylight colours; the canvas darkens and tints them by its ``Light`` unless they shine by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 320, 180
Colour = tuple[int, ...]  # RGB or RGBA, 0-255
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Light:
    """How daylight colours look now: multiplied by ``gain``, greyed by ``grey``, mixed into ``haze``."""

    gain: tuple[float, float, float]
    grey: float
    haze: Colour

    def on(self, colour: Colour, depth_haze: float = 0.0) -> Colour:
        mean = sum(colour[:3]) / 3
        out = []
        for channel, gain, haze in zip(colour[:3], self.gain, self.haze[:3], strict=True):
            value = (channel + (mean - channel) * self.grey) * gain
            out.append(max(0, min(255, round(value + (haze - value) * depth_haze))))
        return (*out, *colour[3:])


@lru_cache(maxsize=256)
def _soft_disc(radius: int, strength: int) -> Image.Image:
    """(2r, 2r) mask that falls off smoothly from the middle; ``strength`` is its middle value, 0-255."""
    axis = (np.arange(2 * radius) + 0.5 - radius) / radius
    distance = np.sqrt(axis[None] ** 2 + axis[:, None] ** 2)
    fall = np.clip(1 - distance, 0, 1) ** 2
    return Image.fromarray((fall * strength).astype(np.uint8))


def rotated(points: Sequence[Point], angle: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    """The points turned by ``angle`` radians around the origin, then moved to ``centre``."""
    cos, sin = math.cos(angle), math.sin(angle)
    return [(centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos) for x, y in points]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    return tuple(round(x + (y - x) * share) for x, y in zip(a[:3], b[:3], strict=True))


class Canvas:
    """One image being drawn. ``dx``/``dy`` move everything drawn after they are set (the camera)."""

    def __init__(self, image: Image.Image, scale: float, light: Light, haze: float = 0.0) -> None:
        self.image = image
        self.scale = scale
        self.light = light
        self.haze = haze
        self.dx = 0.0
        self.dy = 0.0
        self._pen = ImageDraw.Draw(image, "RGBA" if image.mode == "RGB" else None)

    def ink(self, colour: Colour, lit: bool = False) -> Colour:
        return tuple(colour) if lit else self.light.on(colour, self.haze)

    def at(self, x: float, y: float) -> Point:
        return (x + self.dx) * self.scale, (y + self.dy) * self.scale

    def poly(self, points: Sequence[Point], colour: Colour, lit: bool = False) -> None:
        self._pen.polygon([self.at(x, y) for x, y in points], fill=self.ink(colour, lit))

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, lit: bool = False) -> None:
        px, py = self.at(x, y)
        rx, ry = abs(rx) * self.scale, abs(ry) * self.scale
        self._pen.ellipse([px - rx, py - ry, px + rx, py + ry], fill=self.ink(colour, lit))

    def disc(self, x: float, y: float, r: float, colour: Colour, lit: bool = False) -> None:
        self.oval(x, y, r, r, colour, lit)

    def rect(
        self, x: float, y: float, w: float, h: float, colour: Colour, lit: bool = False, round_: float = 0
    ) -> None:
        left, top = self.at(x, y)
        box = [left, top, left + w * self.scale, top + h * self.scale]
        if round_:
            self._pen.rounded_rectangle(box, radius=round_ * self.scale, fill=self.ink(colour, lit))
        else:
            self._pen.rectangle(box, fill=self.ink(colour, lit))

    def line(self, points: Sequence[Point], width: float, colour: Colour, lit: bool = False, caps: bool = True) -> None:
        """A stroke with round ends and joints."""
        ink, pixels = self.ink(colour, lit), max(1, round(width * self.scale))
        places = [self.at(x, y) for x, y in points]
        self._pen.line(places, fill=ink, width=pixels, joint="curve" if len(places) > 2 else None)
        if caps and pixels > 2:
            r = pixels / 2 - 0.5
            for px, py in places:
                self._pen.ellipse([px - r, py - r, px + r, py + r], fill=ink)

    def ring(self, x: float, y: float, r: float, width: float, colour: Colour, lit: bool = False) -> None:
        px, py = self.at(x, y)
        r *= self.scale
        self._pen.ellipse(
            [px - r, py - r, px + r, py + r], outline=self.ink(colour, lit), width=max(1, round(width * self.scale))
        )

    def glow(self, x: float, y: float, r: float, colour: Colour, strength: int = 160, lit: bool = True) -> None:
        """A soft spot of colour: light when it is bright, shade when it is dark."""
        radius = max(1, round(r * self.scale))
        px, py = self.at(x, y)
        box = (round(px) - radius, round(py) - radius)
        self.image.paste(
            self.ink(colour, lit)[:3],
            (*box, box[0] + 2 * radius, box[1] + 2 * radius),
            _soft_disc(radius, max(0, min(255, strength))),
        )

    def ball(self, x: float, y: float, r: float, colour: Colour) -> None:
        """A disc shaded like a sphere lit from the upper left."""
        self.disc(x, y, r, mix(colour, (0, 0, 0), 0.38))
        self.disc(x - r * 0.06, y - r * 0.08, r * 0.9, mix(colour, (0, 0, 0), 0.16))
        self.disc(x - r * 0.14, y - r * 0.18, r * 0.72, colour)
        self.glow(x - r * 0.35, y - r * 0.4, r * 0.5, mix(colour, (255, 255, 255), 0.8), 200, lit=False)

    def text(self, x: float, y: float, words: str, size: float, colour: Colour, lit: bool = False) -> None:
        font = ImageFont.load_default(size * self.scale)
        self._pen.text(self.at(x, y), words, fill=self.ink(colour, lit), font=font, anchor="mm")
