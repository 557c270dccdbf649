"""Edits for training the copy descriptor: what people do to a video before they post it again.

Every function takes and returns a square RGB Pillow image. ``edited_views`` makes the two views of each picture of
a batch. A view that shows a second picture as well (split screen, picture in picture, blend) names it, so that both
count as sources of that view.
"""

from __future__ import annotations

import io
import string
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Rng = np.random.Generator
Colour = tuple[int, int, int]

LETTERS = list(string.ascii_letters + string.digits + "   !?&@#")
MAX_TEXT = 24
MIRRORED = 0.15  # rarely, and so are quarter turns: whoever asks looks with turned and flipped frames as well
PLAIN_VIEW = 0.8  # share of first views that stay close to the original, as a library's own frames do
LUMA = np.array([0.299, 0.587, 0.114])


def _perspective(source: np.ndarray, side: int) -> list[float]:
    """Pillow's eight coefficients that take the output square's corners to ``source`` (4, 2) in input pixels."""
    out = np.array([[0, 0], [side, 0], [side, side], [0, side]], float)
    a = np.zeros((8, 8))
    a[0::2, 0:2], a[0::2, 2] = out, 1
    a[1::2, 3:5], a[1::2, 5] = out, 1
    a[0::2, 6:8] = -out * source[:, :1]
    a[1::2, 6:8] = -out * source[:, 1:]
    return [float(v) for v in np.linalg.solve(a, source.reshape(8))]


def _colour(rng: Rng) -> Colour:
    """Black or white half of the time: the usual colours of bars and captions."""
    kind = rng.random()
    if kind < 0.35:
        return (0, 0, 0)
    if kind < 0.5:
        return (255, 255, 255)
    r, g, b = rng.integers(0, 256, 3)
    return (int(r), int(g), int(b))


def reframe(image: Image.Image, side: int, rng: Rng, *, least_area: float, tilt: float) -> Image.Image:
    """Crop anywhere (down to ``least_area`` of the picture, 9:16 included), mirror, turn and tilt in one resampling.

    ``tilt`` is the probability of each of: a small rotation, a quarter turn, a perspective as if filmed from a screen.
    """
    area = rng.uniform(least_area, 1.0)
    aspect = np.exp(rng.uniform(-0.6, 0.6)) if rng.random() < 0.5 else 1.0
    width, height = min(1.0, np.sqrt(area * aspect)), min(1.0, np.sqrt(area / aspect))
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float) - 0.5
    if rng.random() < tilt:
        corners = corners + rng.uniform(-0.12, 0.12, (4, 2))
    if rng.random() < tilt:
        angle = np.deg2rad(rng.uniform(-20, 20) if rng.random() < 0.8 else rng.uniform(-180, 180))
        corners = corners @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < tilt * 0.15:
        corners = np.roll(corners, int(rng.integers(1, 4)), axis=0)
    if rng.random() < MIRRORED:
        corners = corners[[1, 0, 3, 2]]
    centre = np.array([rng.uniform(width / 2, 1 - width / 2), rng.uniform(height / 2, 1 - height / 2)])
    source = (corners * [width, height] + centre) * image.width
    if float(np.abs(source[0] + source[2] - source[1] - source[3]).max()) < 1e-6:
        # A parallelogram: the cheaper transform does.
        right, down = (source[1] - source[0]) / side, (source[3] - source[0]) / side
        data = [float(v) for v in (right[0], down[0], source[0, 0], right[1], down[1], source[0, 1])]
        method = Image.Transform.AFFINE
    else:
        data, method = _perspective(source, side), Image.Transform.PERSPECTIVE
    return image.transform((side, side), method, data, Image.Resampling.BILINEAR, fillcolor=_colour(rng))


def recolour(image: Image.Image, rng: Rng, *, strength: float) -> Image.Image:
    """Hue, saturation, contrast, brightness and gamma as one colour matrix and one lookup table."""
    saturation = 0.0 if rng.random() < 0.25 * strength else float(np.exp(rng.normal(0, 0.5 * strength)))
    matrix = np.outer(np.ones(3), LUMA) * (1 - saturation) + np.eye(3) * saturation
    if rng.random() < 0.3 * strength:
        shift = float(rng.uniform(-0.5, 0.5))
        matrix = matrix @ ((1 - abs(shift)) * np.eye(3) + abs(shift) * np.roll(np.eye(3), int(np.sign(shift)), axis=1))
    matrix = matrix * np.exp(rng.normal(0, 0.15 * strength, (3, 1)))
    if rng.random() < 0.05 * strength:
        matrix = np.outer([1.1, 0.95, 0.75], LUMA)  # sepia
    contrast, offset = float(np.exp(rng.normal(0, 0.3 * strength))), float(rng.normal(0, 25 * strength))
    if rng.random() < 0.06 * strength:
        contrast, offset = contrast * 0.4, offset - 60  # in the middle of a fade
    gamma = float(np.exp(rng.normal(0, 0.3 * strength)))
    flat = np.concatenate([matrix, np.zeros((3, 1))], 1).reshape(-1)
    mixed = image.convert("RGB", tuple(float(v) for v in flat))
    levels = np.clip((np.arange(256) - 128) * contrast + 128 + offset, 0, 255) / 255
    return Image.fromarray((levels**gamma * 255).astype(np.uint8)[np.asarray(mixed)])


def recompress(image: Image.Image, rng: Rng) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(5, 80)))
    with Image.open(buffer) as again:
        return again.convert("RGB")


def soften(image: Image.Image, rng: Rng) -> Image.Image:
    """Gaussian blur, a small copy blown up again, or too much sharpening."""
    kind = rng.random()
    if kind < 0.5:
        return image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 2.2))))
    if kind < 0.85:
        small = int(image.width * rng.uniform(0.25, 0.7))
        grown = Image.Resampling.NEAREST if rng.random() < 0.4 else Image.Resampling.BICUBIC
        return image.resize((small, small), Image.Resampling.BILINEAR).resize(image.size, grown)
    return image.filter(ImageFilter.UnsharpMask(2, int(rng.uniform(100, 300)), 0))


def add_noise(image: Image.Image, rng: Rng) -> Image.Image:
    """Grain, or the stripes of a filmed screen."""
    side = image.width
    if rng.random() < 0.7:
        noise = rng.standard_normal((side, side, 3), dtype=np.float32) * rng.uniform(4, 28)
    else:
        fx, fy = rng.uniform(-1.2, 1.2, 2)
        y, x = np.mgrid[0:side, 0:side]
        noise = (np.sin(fx * x + fy * y) * rng.uniform(5, 25)).astype(np.float32)[..., None]
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def add_shapes(image: Image.Image, rng: Rng) -> Image.Image:
    """One to four discs, boxes, stars or faces, like logos, stickers and emoji."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(1, 5))):
        size = image.width * rng.uniform(0.06, 0.28)
        x, y = rng.uniform(-size / 3, image.width - size * 2 / 3, 2)
        kind, fill, line = rng.integers(0, 4), _colour(rng), _colour(rng)
        if kind == 0:
            draw.rectangle((x, y, x + size * rng.uniform(0.5, 2), y + size), fill=fill, outline=line)
        elif kind == 1:
            draw.ellipse((x, y, x + size, y + size), fill=fill, outline=line)
        elif kind == 2:
            turns = np.linspace(0, 2 * np.pi, 10, endpoint=False)
            radius = size / 2 * np.where(np.arange(10) % 2, 0.45, 1.0)
            points = np.stack([x + size / 2 + radius * np.sin(turns), y + size / 2 - radius * np.cos(turns)], 1)
            draw.polygon([(float(a), float(b)) for a, b in points], fill=fill)
        else:
            draw.ellipse((x, y, x + size, y + size), fill=(255, 205, 50), outline=(120, 90, 0))
            for eye in (0.3, 0.7):
                draw.ellipse((x + size * (eye - 0.08), y + size * 0.3, x + size * (eye + 0.08), y + size * 0.5), fill=0)
            draw.arc((x + size * 0.2, y + size * 0.3, x + size * 0.8, y + size * 0.85), 10, 170, fill=0, width=2)
    return image


def add_text(image: Image.Image, rng: Rng) -> Image.Image:
    """One to three lines of letters, half of the time on a plain strip as captions are."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(int(rng.choice((7, 9, 12, 16, 22))))
    y = rng.uniform(0, image.height * 0.9)
    band = _colour(rng) if rng.random() < 0.5 else None
    for _ in range(int(rng.integers(1, 4))):
        words = "".join(rng.choice(LETTERS, int(rng.integers(3, MAX_TEXT))))
        x = rng.uniform(-5, image.width * 0.5)
        _, top, _, bottom = draw.textbbox((x, y), words, font=font)
        if band is not None:
            draw.rectangle((0, top - 2, image.width, bottom + 2), fill=band)
        draw.text((x, y), words, font=font, fill=_colour(rng), stroke_width=int(rng.integers(0, 2)))
        y += bottom - top + 3
    return image


def add_caption(image: Image.Image, rng: Rng) -> Image.Image:
    """A plain strip over the upper or lower tenth to third of the picture, with large letters."""
    image = image.copy()
    height = int(image.height * rng.uniform(0.1, 0.33))
    top = 0 if rng.random() < 0.3 else image.height - height
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, top, image.width, top + height), fill=_colour(rng))
    words = "".join(rng.choice(LETTERS, int(rng.integers(4, MAX_TEXT))))
    size = max(6, int(height * rng.uniform(0.35, 0.7)))
    draw.text((rng.uniform(0, image.width * 0.2), top + 2), words, font=ImageFont.load_default(size), fill=_colour(rng))
    return image


def add_bars(image: Image.Image, rng: Rng) -> Image.Image:
    """Letterbox, pillarbox or a frame all round: plain, or filled with the blurred picture itself."""
    side = image.width
    if rng.random() < 0.35:
        canvas = image.filter(ImageFilter.GaussianBlur(6))
    else:
        canvas = Image.new("RGB", (side, side), _colour(rng))
    across = int(side * rng.uniform(0.4, 0.95))
    kind = rng.integers(0, 3)
    size = ((side, across), (across, side), (across, int(side * rng.uniform(0.5, 0.95))))[kind]
    room = (side - size[0], side - size[1])
    corner = (room[0] // 2, room[1] // 2)
    if rng.random() < 0.3:
        corner = (int(rng.uniform(0, room[0] + 1)), int(rng.uniform(0, room[1] + 1)))
    canvas.paste(image.resize(size, Image.Resampling.BILINEAR), corner)
    return canvas


def split_screen(image: Image.Image, other: Image.Image, rng: Rng) -> Image.Image:
    """Both pictures side by side or stacked, each squeezed or cut to its part."""
    side = image.width
    cut = int(side * rng.uniform(0.35, 0.65))
    first, second = (image, other) if rng.random() < 0.5 else (other, image)
    upright = rng.random() < 0.5
    canvas = Image.new("RGB", (side, side))
    for part, start, length in ((first, 0, cut), (second, cut, side - cut)):
        size = (side, length) if upright else (length, side)
        if rng.random() < 0.5:
            piece = part.resize(size, Image.Resampling.BILINEAR)
        else:
            offset = (side - length) // 2
            box = (0, offset, side, offset + length) if upright else (offset, 0, offset + length, side)
            piece = part.crop(box)
        canvas.paste(piece, (0, start) if upright else (start, 0))
    return canvas


def picture_in_picture(
    inner: Image.Image, outer: Image.Image, rng: Rng, shares: tuple[float, float] = (0.3, 0.65)
) -> Image.Image:
    """``inner`` shrunk to ``shares`` of the side somewhere on ``outer``."""
    side = outer.width
    canvas = outer.copy()
    size = (int(side * rng.uniform(*shares)), int(side * rng.uniform(*shares)))
    if rng.random() < 0.6:
        size = (size[0], size[0])
    x, y = int(rng.uniform(0, side - size[0] + 1)), int(rng.uniform(0, side - size[1] + 1))
    if rng.random() < 0.3:
        ImageDraw.Draw(canvas).rectangle((x - 2, y - 2, x + size[0] + 1, y + size[1] + 1), fill=_colour(rng))
    canvas.paste(inner.resize(size, Image.Resampling.BILINEAR), (x, y))
    return canvas


def blend(image: Image.Image, other: Image.Image, rng: Rng) -> Image.Image:
    """A cross-fade, or one picture added to the other."""
    if rng.random() < 0.8:
        return Image.blend(image, other, float(rng.uniform(0.25, 0.6)))
    return ImageChops.screen(image, other)


Finish = Callable[[Image.Image, Rng], Image.Image]


def _finish(image: Image.Image, rng: Rng, chances: tuple[tuple[Finish, float], ...]) -> Image.Image:
    for edit, chance in chances:
        if rng.random() < chance:
            image = edit(image, rng)
    return image


OVERLAYS: tuple[tuple[Finish, float], ...] = ((add_text, 0.1), (add_caption, 0.1), (add_shapes, 0.15), (add_bars, 0.2))
LAST_STEPS: tuple[tuple[Finish, float], ...] = ((soften, 0.25), (add_noise, 0.15), (recompress, 0.35))


def plain_view(image: Image.Image, side: int, rng: Rng) -> Image.Image:
    """Nearly the original: a little crop, tone and compression, but no mirror."""
    inset = image.width * rng.uniform(0, 0.06)
    box = (inset, inset, image.width - inset, image.width - inset)
    small = image.resize((side, side), Image.Resampling.BILINEAR, box)
    return _finish(recolour(small, rng, strength=0.2), rng, ((recompress, 0.2),))


def strong_view(image: Image.Image, other: Image.Image, side: int, rng: Rng) -> tuple[Image.Image, bool]:
    """An edited copy of ``image``; True says that ``other`` is in it too, large enough to be recognised."""
    kind = rng.random()
    shows_other = kind < 0.3
    if not shows_other:
        view = recolour(reframe(image, side, rng, least_area=0.2, tilt=0.18), rng, strength=1.0)
    else:
        # Whole or nearly whole pictures go into composites: a half of a quarter would be noise, not a lesson.
        view = recolour(reframe(image, side, rng, least_area=0.7, tilt=0.08), rng, strength=0.7)
        beside = recolour(reframe(other, side, rng, least_area=0.6, tilt=0.08), rng, strength=0.5)
        if kind < 0.09:
            view = split_screen(view, beside, rng)
        elif kind < 0.18:
            view = picture_in_picture(view, beside, rng, (0.45, 0.9))  # smaller ones are looked at as regions
        elif kind < 0.25:
            view = picture_in_picture(beside, view, rng)
        else:
            view = blend(view, beside, rng)
    return _finish(_finish(view, rng, OVERLAYS), rng, LAST_STEPS), shows_other


def edited_views(images: np.ndarray, side: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Two views of each picture. images (B, H, H, 3) uint8 -> views (2, B, side, side, 3) uint8, second (2, B) int64.

    ``second[v, i]`` is the batch row of the other picture that view v of picture i shows, or -1.
    """
    count = len(images)
    pictures = [Image.fromarray(image) for image in images]
    views = np.empty((2, count, side, side, 3), np.uint8)
    second = np.full((2, count), -1, np.int64)
    for v in range(2):
        partner = (np.arange(count) + rng.integers(1, count)) % count
        for i, picture in enumerate(pictures):
            if v == 0 and rng.random() < PLAIN_VIEW:
                views[v, i] = np.asarray(plain_view(picture, side, rng))
                continue
            view, both = strong_view(picture, pictures[partner[i]], side, rng)
            views[v, i] = np.asarray(view)
            if both:
                second[v, i] = partner[i]
    return views, second
