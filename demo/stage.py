"""What every scene is built on: tiled parallax layers, the camera, weather, and the frame at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.canvas import HEIGHT, WIDTH, Canvas, Colour, Light
from demo.look import Look, fog_share, light_of, sky_colours
from demo.wording import Wording

TILE = 480  # units after which a layer repeats: the camera may travel for ever
Floats = NDArray[np.float64]
Cover = Literal["weather", "bare", "lit"]  # snow where it falls; never snow; the colours as they are, in no light


def tiled_noise(rng: np.random.Generator, height: int, width: int, cell: int, octaves: int = 3) -> Floats:
    """(height, width) smooth noise in about -1..1 that repeats horizontally; ``cell`` is the coarsest grain, pixels."""
    rng = np.random.default_rng(int(rng.integers(2**31)))  # so that what follows does not depend on the pixel size
    total = np.zeros((height, width))
    weight = 1.0
    for _ in range(octaves):
        rows, cols = max(2, height // cell + 2), max(2, width // cell)
        grid = rng.standard_normal((rows, cols)).astype(np.float32)
        grid = np.concatenate([grid, grid[:, :1]], axis=1)
        wide = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box=(0.5, 0, cols + 0.5, rows))
        total += weight * np.asarray(wide)
        weight *= 0.5
        cell = max(2, cell // 2)
    return total / 2


def gradient(colours: tuple[Colour, ...], height: int) -> Floats:
    """(height, 1, 3) vertical blend through the colours."""
    stops = np.linspace(0, 1, len(colours))
    rows = np.linspace(0, 1, height)
    return np.stack([np.interp(rows, stops, [c[i] for c in colours]) for i in range(3)], axis=-1)[:, None, :]


def ridge(rng: np.random.Generator, base: float, amplitude: float, waves: int = 5) -> Callable[[float], float]:
    """A hill line y(x) that repeats every TILE units."""
    parts = [(k, float(rng.uniform(0.4, 1)) / k**0.8, float(rng.uniform(0, 2 * math.pi))) for k in range(1, waves + 1)]
    total = sum(p[1] for p in parts)

    def line(x: float) -> float:
        angle = 2 * math.pi * x / TILE
        height: float = sum(a * math.sin(k * angle + p) for k, a, p in parts) / total
        return base - amplitude * height

    return line


@dataclass(slots=True)
class Layer:
    image: Image.Image
    depth: float  # share of the camera's travel it follows: 0 infinitely far, 1 with the subject
    top: float  # units from the top of the frame


@dataclass(slots=True)
class Stage:
    """The place where one scene is set up: its light, its layers and what moves on them."""

    rng: np.random.Generator
    look: Look
    scale: float
    duration: float
    layers: list[Layer] = field(default_factory=list)
    light: Light = field(init=False)
    weather_seed: int = field(init=False)

    def __post_init__(self) -> None:
        self.light = light_of(self.look)
        self.weather_seed = int(self.rng.integers(2**31))

    def blank(self, depth: float, haze: float | None = None, width: float = TILE) -> Canvas:
        """A transparent tile to draw a layer on."""
        image = Image.new("RGBA", (round(width * self.scale), round(HEIGHT * self.scale)), (0, 0, 0, 0))
        return Canvas(image, self.scale, self.light, fog_share(self.look, 1 - depth) if haze is None else haze)

    def add(self, canvas: Canvas, depth: float) -> None:
        """Keeps the drawn tile as the next layer, cut to the rows that hold anything."""
        box = canvas.image.getbbox()
        if box:
            rows = (0, box[1], canvas.image.width, box[3])
            self.layers.append(Layer(canvas.image.crop(rows), depth, box[1] / self.scale))

    def sky(self, clouds: float = 0.5, horizon: float = 1.0) -> None:
        """Sky with clouds, stars or a low sun; ``horizon`` is where its gradient ends, as a share of the height."""
        px_w, px_h = round(TILE * self.scale), round(HEIGHT * self.scale)
        top = max(2, round(px_h * horizon))
        paint = gradient(sky_colours(self.look), top)
        paint = np.concatenate([paint, np.repeat(paint[-1:], px_h - top, axis=0)]) if top < px_h else paint[:px_h]
        paint = np.broadcast_to(paint, (px_h, px_w, 3)).copy()
        small_h, small_w = px_h // 3, px_w // 3
        noise = tiled_noise(self.rng, small_h, small_w, max(8, round(40 * self.scale / 3)), 4)
        if clouds and self.look.weather != "fog":
            cover = np.clip(noise - (0.45 - 0.5 * clouds) + (0.0 if self.look.weather == "clear" else 0.3), 0, 1)
            white = np.array({"day": (255, 255, 255), "dusk": (255, 176, 150), "night": (62, 72, 104)}[self.look.time])
            if self.look.weather in ("rain", "cloudy"):
                white = white * 0.72
            mask = np.asarray(Image.fromarray((cover * 190).astype(np.uint8)).resize((px_w, px_h))) / 255.0
            paint += (white - paint) * (mask * np.linspace(1, 0.15, px_h)[:, None])[..., None]
        canvas = Canvas(Image.fromarray(np.clip(paint, 0, 255).astype(np.uint8)), self.scale, self.light)
        if self.look.weather == "clear":
            self._lights_of_heaven(canvas, horizon)
        self.layers.append(Layer(canvas.image, 0.06, 0))

    def _lights_of_heaven(self, canvas: Canvas, horizon: float) -> None:
        x, low = self.rng.uniform(50, 270), HEIGHT * horizon
        if self.look.time == "night":
            for _ in range(150):
                sx, sy, bright = (
                    self.rng.uniform(0, TILE),
                    self.rng.uniform(0, low * 0.85),
                    int(self.rng.uniform(110, 255)),
                )
                canvas.disc(sx, sy, self.rng.uniform(0.3, 0.75), (bright, bright, min(255, bright + 20)), lit=True)
            canvas.glow(x, low * 0.22, 40, (170, 184, 226), 120)
            canvas.disc(x, low * 0.22, 8, (238, 238, 222), lit=True)
        elif self.look.time == "dusk":
            canvas.glow(x, low * 0.82, 120, (255, 214, 130), 190)
            canvas.disc(x, low * 0.82, 13, (255, 236, 180), lit=True)
        elif self.rng.random() < 0.6:
            canvas.glow(x, low * 0.2, 60, (255, 250, 214), 210)
            canvas.disc(x, low * 0.2, 10, (255, 252, 226), lit=True)

    def land(
        self,
        line: Callable[[float], float],
        near: Colour,
        far: Colour,
        *,
        depth: float = 0.5,
        grain: float = 0.1,
        cell: float = 14,
        cover: Cover = "weather",
    ) -> None:
        """Ground below a hill line, ``far`` colour at its rim, ``near`` at the bottom, with a mottled texture."""
        white = cover == "weather" and self.look.weather == "snow"
        if white:
            near, far = (214, 220, 230), (240, 243, 248)
        haze = fog_share(self.look, 1 - depth)
        rim, floor = (c if cover == "lit" else self.light.on(c, haze) for c in (far, near))
        px_w = round(TILE * self.scale)
        crest = np.array([line(x / self.scale) for x in range(px_w)]) * self.scale
        first = max(0, int(crest.min()))
        rows = round(HEIGHT * self.scale) - first
        paint = np.broadcast_to(gradient((rim, floor), rows), (rows, px_w, 3)).copy()
        noise = tiled_noise(self.rng, rows // 2 + 1, px_w // 2, max(3, round(cell * self.scale / 2)))
        soft = np.asarray(Image.fromarray((noise * 1.0).astype(np.float32)).resize((px_w, rows)))
        paint *= 1 + (grain * (0.5 if white else 1.0)) * soft[..., None]
        alpha = np.clip(np.arange(first, first + rows)[:, None] - crest[None] + 0.5, 0, 1)
        pixels = np.concatenate([np.clip(paint, 0, 255), alpha[..., None] * 255], axis=-1).astype(np.uint8)
        self.layers.append(Layer(Image.fromarray(pixels), depth, first / self.scale))

    def plane(
        self,
        y: float,
        near: Colour,
        far: Colour,
        *,
        depth: float = 0.8,
        grain: float = 0.08,
        cell: float = 14,
        cover: Cover = "weather",
    ) -> None:
        """Flat ground from row ``y`` down."""
        self.land(lambda _x: y, near, far, depth=depth, grain=grain, cell=cell, cover=cover)


@dataclass(slots=True)
class Camera:
    """Where the camera is at time t: travel in units, and zoom (1 is the whole stage)."""

    speed: float = 0.0  # units a second
    sway: float = 0.0  # units, slow hand-held drift
    zoom_from: float = 1.0
    zoom_to: float = 1.0

    def travel(self, t: float) -> float:
        return self.speed * t + self.sway * math.sin(t * 0.7)

    def zoom(self, share: float) -> float:
        eased = share * share * (3 - 2 * share)
        return self.zoom_from + (self.zoom_to - self.zoom_from) * eased


@dataclass(slots=True)
class Scene:
    """A finished set: layers behind, ``draw`` for all that moves, a camera, and the words for it."""

    stage: Stage
    words: Wording
    draw: Callable[[Canvas, float], None]
    camera: Camera = field(default_factory=Camera)
    weather_front: bool = True
    focus: tuple[float, float] = (0.5, 0.55)  # where zooms go, as shares of the frame
    _still: Image.Image | None = None

    def frame(self, t: float, size: tuple[int, int]) -> Image.Image:
        """The RGB frame at ``t`` seconds, scaled to ``size`` (width, height)."""
        stage, travel = self.stage, self.camera.travel(t)
        moving = self.camera.speed != 0 or self.camera.sway != 0
        if moving or self._still is None:
            backdrop = _compose(stage, travel)
            self._still = None if moving else backdrop
        else:
            backdrop = self._still
        canvas = Canvas(backdrop if moving else backdrop.copy(), stage.scale, stage.light)
        canvas.dx = -travel
        self.draw(canvas, t)
        canvas.dx = 0.0
        if self.weather_front:
            draw_weather(canvas, stage, t)
        zoom = self.camera.zoom(min(1.0, t / max(0.1, stage.duration)))
        w, h = canvas.image.size
        box_w, box_h = w / zoom, h / zoom
        left, top = (w - box_w) * self.focus[0], (h - box_h) * self.focus[1]
        return canvas.image.resize(
            size,
            Image.Resampling.BOX if zoom == 1 else Image.Resampling.BILINEAR,
            box=(left, top, left + box_w, top + box_h),
        )


def _compose(stage: Stage, travel: float) -> Image.Image:
    image = Image.new("RGB", (round(WIDTH * stage.scale), round(HEIGHT * stage.scale)))
    tile = round(TILE * stage.scale)
    for layer in stage.layers:
        left = -(round(travel * layer.depth * stage.scale) % tile)
        top = round(layer.top * stage.scale)
        mask = layer.image if layer.image.mode == "RGBA" else None
        image.paste(layer.image, (left, top), mask)
        if left + tile < image.width:
            image.paste(layer.image, (left + tile, top), mask)
    return image


def draw_weather(canvas: Canvas, stage: Stage, t: float) -> None:
    """Rain, snow or fog between the viewer and the scene."""
    rng = np.random.default_rng(stage.weather_seed)
    if stage.look.weather == "rain":
        dark = stage.look.dark
        ink = (150, 168, 200, 120) if dark else (222, 230, 240, 130)
        for x, y, speed in zip(
            rng.uniform(0, 360, 130), rng.uniform(0, 210, 130), rng.uniform(260, 420, 130), strict=True
        ):
            top = (y + speed * t) % 210 - 15
            left = (x - speed * 0.12 * t) % 360 - 20
            length = speed / 32
            canvas.line([(left, top), (left - length * 0.14, top + length)], 0.5, ink, lit=True, caps=False)
    elif stage.look.weather == "snow":
        bright = 205 if stage.look.dark else 255
        for x, y, speed in zip(
            rng.uniform(0, 340, 120), rng.uniform(0, 200, 120), rng.uniform(14, 42, 120), strict=True
        ):
            top = (y + speed * t) % 200 - 10
            left = (x + 8 * math.sin(t * 1.1 + x) + 5 * t) % 340 - 10
            canvas.disc(left, top, speed / 27, (bright, bright, bright, 235), lit=True)
    elif stage.look.weather == "fog":
        mist = stage.light.haze
        for k in range(4):
            x = (k * 110 + 9 * t * (1 + k % 2)) % 480 - 80
            canvas.glow(x, 92 + 22 * (k % 3), 120, mist, 120)
