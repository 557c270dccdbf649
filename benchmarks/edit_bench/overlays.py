"""The pictures that edits lay over a video: logos, captions, stickers, title cards."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from benchmarks.edit_bench.recipe import Drawn


def draw(drawn: Drawn) -> Image.Image:
    """An RGBA picture of the asked size."""
    width, height = drawn.width, drawn.height
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(image)
    middle = (width / 2, height / 2)
    if drawn.kind == "logo":
        line = max(1, min(width, height) // 16)
        pen.ellipse((0, 0, width - 1, height - 1), fill=drawn.colour, outline="white", width=line)
        _write(pen, middle, drawn.text, min(height // 3, 2 * width // (len(drawn.text) + 2)))
    elif drawn.kind == "caption":
        pen.rectangle((0, 0, width, height), fill=drawn.colour)
        _write(pen, middle, drawn.text, min(height // 2, 2 * width // (len(drawn.text) + 2)))
    elif drawn.kind == "sticker":
        points = [(width * x, height * y) for x, y in ((0.5, 0), (1, 0.4), (0.8, 1), (0.2, 1), (0, 0.4))]
        pen.polygon(points, fill=drawn.colour, outline="white")
        _write(pen, middle, drawn.text, height // 4)
    else:
        _write(pen, (width / 2, height * 0.45), drawn.text, min(height // 5, 2 * width // (len(drawn.text) + 2)))
        pen.rectangle((width * 0.2, height * 0.6, width * 0.8, height * 0.62), fill=drawn.colour)
    return image


def _write(pen: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: int) -> None:
    font = ImageFont.load_default(max(8, size))
    pen.text(place, text, font=font, fill="white", anchor="mm", stroke_width=1, stroke_fill="black")
