"""Things that stand or roll in several kinds of scene: trees, houses, palms, cars, bicycles."""

from __future__ import annotations

import math

import numpy as np

from demo.canvas import Canvas, Colour, Point, mix

PAINTS: dict[str, Colour] = {
    "red": (206, 40, 38),
    "blue": (38, 84, 196),
    "green": (40, 142, 66),
    "yellow": (246, 204, 42),
    "orange": (240, 128, 32),
    "purple": (128, 62, 172),
    "white": (240, 240, 238),
    "black": (38, 38, 44),
    "pink": (240, 130, 172),
    "turquoise": (44, 184, 184),
}


def pick_paint(rng: np.random.Generator, *names: str) -> tuple[str, Colour]:
    """A colour name and its colour, from the names given or from all of them."""
    name = str(rng.choice(names or tuple(PAINTS)))
    return name, PAINTS[name]


def leafy_tree(c: Canvas, x: float, ground: float, h: float, leaf: Colour, rng: np.random.Generator) -> None:
    c.line([(x, ground), (x, ground - h * 0.5)], h * 0.09, (96, 68, 46))
    for k in range(9):
        angle = k * 2.4
        px, py = x + 0.2 * h * math.cos(angle) * (0.4 + k / 10), ground - h * 0.66 + 0.17 * h * math.sin(angle)
        c.disc(px, py, h * rng.uniform(0.13, 0.2), mix(leaf, (0, 0, 0), 0.3 - 0.03 * k))
    c.disc(x - 0.06 * h, ground - 0.78 * h, 0.13 * h, mix(leaf, (255, 255, 220), 0.14))


def pine(c: Canvas, x: float, ground: float, h: float, leaf: Colour = (40, 92, 62), snowy: bool = False) -> None:
    c.rect(x - h * 0.03, ground - h * 0.16, h * 0.06, h * 0.16, (84, 60, 44))
    for k in range(4):
        low, wide = ground - h * (0.12 + 0.2 * k), h * (0.27 - 0.055 * k)
        tip = low - h * 0.34
        c.poly([(x - wide, low), (x + wide, low), (x, tip)], mix(leaf, (0, 0, 0), 0.25 - 0.07 * k))
        c.poly([(x - wide, low), (x - wide * 0.1, low), (x, tip)], mix(leaf, (0, 0, 0), 0.12 - 0.03 * k))
        if snowy:
            c.poly(
                [
                    (x - wide * 0.62, low - h * 0.13),
                    (x + wide * 0.62, low - h * 0.13),
                    (x + wide * 0.25, low - h * 0.16),
                    (x, tip),
                ],
                (242, 245, 250),
            )


def palm(c: Canvas, x: float, ground: float, h: float, t: float = 0.0) -> None:
    bend = h * 0.14
    trunk = [(x + bend * (k / 6) ** 2, ground - h * k / 6) for k in range(7)]
    c.line(trunk, h * 0.055, (128, 94, 62))
    crown = trunk[-1]
    for k in range(9):
        angle = -math.pi * (0.02 + 0.12 * k) + 0.06 * math.sin(t * 1.6 + k)
        reach = h * 0.44
        points = [
            (crown[0] + reach * s * math.cos(angle), crown[1] + reach * (s * math.sin(angle) * 0.75 + 0.62 * s * s))
            for s in (0, 0.35, 0.7, 1.0)
        ]
        c.line(points, h * 0.05, mix((44, 128, 62), (0, 0, 0), 0.06 * (k % 4)))
    for k in range(3):
        c.disc(crown[0] + (k - 1) * h * 0.04, crown[1] + h * 0.04, h * 0.03, (110, 76, 44))


def house(c: Canvas, x: float, ground: float, w: float, wall: Colour, roof: Colour, lights: bool) -> None:
    h = w * 0.62
    c.rect(x - w / 2, ground - h, w, h, wall)
    c.rect(x, ground - h, w / 2, h, mix(wall, (0, 0, 0), 0.1))
    c.poly([(x - w * 0.6, ground - h), (x + w * 0.6, ground - h), (x, ground - h * 1.75)], roof)
    pane, glass = ((255, 214, 120), True) if lights else ((148, 186, 214), False)
    for shift in (-0.32, 0.14):
        c.rect(x + shift * w, ground - h * 0.78, w * 0.18, h * 0.32, pane, lit=glass)
    c.rect(x - w * 0.06, ground - h * 0.48, w * 0.15, h * 0.48, mix(roof, (0, 0, 0), 0.4))


def wheel(c: Canvas, x: float, y: float, r: float, turn: float) -> None:
    c.disc(x, y, r, (26, 26, 30))
    c.disc(x, y, r * 0.62, (176, 180, 186))
    for k in range(5):
        a = turn + k * 2 * math.pi / 5
        c.line([(x, y), (x + 0.58 * r * math.cos(a), y + 0.58 * r * math.sin(a))], r * 0.16, (90, 94, 100), caps=False)


def car(c: Canvas, at: Point, length: float, paint: Colour, turn: float, facing: int = 1, lamps: bool = False) -> None:
    """A car from the side; its middle is over the ground ``at``."""
    (x, ground), u, f = at, length / 100, facing
    c.glow(x, ground + 1 * u, 58 * u, (0, 0, 0), 120, lit=True)

    def p(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + f * px * u, ground - py * u) for px, py in points]

    if lamps:
        c.glow(x + f * 72 * u, ground - 12 * u, 34 * u, (255, 240, 190), 190)
    c.poly(p((-50, 10), (-50, 25), (-46, 28), (-30, 30), (20, 30), (44, 25), (50, 20), (50, 10)), paint)
    c.poly(p((-50, 10), (-50, 15), (50, 15), (50, 10)), mix(paint, (0, 0, 0), 0.35))
    c.poly(p((-34, 29), (-22, 45), (6, 45), (24, 29)), mix(paint, (0, 0, 0), 0.12))
    c.poly(p((-29, 30), (-20, 42), (-8, 42), (-8, 30)), (150, 190, 214) if not lamps else (90, 104, 120))
    c.poly(p((-4, 30), (-4, 42), (5, 42), (18, 30)), (150, 190, 214) if not lamps else (90, 104, 120))
    c.line(p((-46, 26), (-28, 28), (20, 28), (42, 24)), 1.6 * u, mix(paint, (255, 255, 255), 0.5), caps=False)
    c.disc(x + f * 47 * u, ground - 19 * u, 3 * u, (255, 248, 210), lit=lamps)
    c.disc(x - f * 48 * u, ground - 21 * u, 2.6 * u, (230, 40, 34), lit=lamps)
    for place in (-29, 29):
        wheel(c, x + f * place * u, ground - 9 * u, 9.5 * u, turn * f)


def bus(c: Canvas, at: Point, length: float, paint: Colour, turn: float, facing: int = 1, lamps: bool = False) -> None:
    """A city bus from the side, placed like a car."""
    (x, ground), u, f = at, length / 100, facing
    c.glow(x, ground + 1 * u, 60 * u, (0, 0, 0), 120)
    if lamps:
        c.glow(x + f * 64 * u, ground - 12 * u, 26 * u, (255, 240, 190), 180)
    c.rect(x - 50 * u, ground - 44 * u, 100 * u, 38 * u, paint, round_=4 * u)
    c.rect(x - 50 * u, ground - 12 * u, 100 * u, 6 * u, mix(paint, (0, 0, 0), 0.35))
    c.rect(x - 50 * u, ground - 44 * u, 100 * u, 4 * u, mix(paint, (255, 255, 255), 0.35), round_=2 * u)
    pane = (255, 226, 150) if lamps else (156, 196, 218)
    for k in range(6):
        c.rect(x + (-46 + 15.5 * k) * u, ground - 37 * u, 13 * u, 14 * u, pane, lit=lamps, round_=1.5 * u)
    for place in (-30, 30):
        wheel(c, x + f * place * u, ground - 7 * u, 7 * u, turn * f)


def bicycle(
    c: Canvas, x: float, ground: float, size: float, paint: Colour, turn: float, facing: int = 1
) -> dict[str, tuple[float, float]]:
    """A bicycle; returns where its saddle, bar and the two pedals are. ``size`` is the distance of its hubs."""
    r, f = size * 0.36, facing
    back, front = (x - f * size / 2, ground - r), (x + f * size / 2, ground - r)
    for hub in (back, front):
        c.ring(*hub, r, size * 0.045, (34, 34, 38))
        for k in range(4):
            a = turn * f + k * math.pi / 4
            c.line(
                [
                    (hub[0] - r * math.cos(a), hub[1] - r * math.sin(a)),
                    (hub[0] + r * math.cos(a), hub[1] + r * math.sin(a)),
                ],
                size * 0.008,
                (170, 172, 178),
                caps=False,
            )
    crank = (x - f * size * 0.06, ground - r * 0.95)
    saddle, bar = (x - f * size * 0.2, ground - size * 0.82), (x + f * size * 0.34, ground - size * 0.9)
    seat_tube = (x - f * size * 0.17, ground - size * 0.7)
    head = (x + f * size * 0.32, ground - size * 0.72)
    for line in ([back, crank, head, seat_tube, back], [crank, seat_tube, saddle], [front, head, bar]):
        c.line(line, size * 0.045, paint)
    c.line([(saddle[0] - size * 0.09, saddle[1]), (saddle[0] + size * 0.09, saddle[1])], size * 0.05, (30, 28, 30))
    pedals = [
        (
            crank[0] + size * 0.14 * math.cos(turn * 0.6 * f + k * math.pi),
            crank[1] + size * 0.14 * math.sin(turn * 0.6 * f + k * math.pi),
        )
        for k in (0, 1)
    ]
    c.line([pedals[0], crank, pedals[1]], size * 0.03, (60, 60, 66))
    return {"saddle": saddle, "bar": bar, "pedal": pedals[0], "other_pedal": pedals[1]}


def skyline(
    c: Canvas, rng: np.random.Generator, ground: float, tallest: float, width: float, lights: float, tone: Colour
) -> None:
    """A row of buildings over the whole tile; ``lights`` is the share of lit windows."""
    x = 0.0
    while x < width:
        w, h = float(rng.uniform(18, 38)), float(rng.uniform(0.35, 1.0)) * tallest
        wall = mix(tone, (int(rng.integers(60, 200)), int(rng.integers(70, 180)), int(rng.integers(90, 200))), 0.3)
        top = ground - h
        c.rect(x, top, w, h, wall)
        c.rect(x + w * 0.62, top, w * 0.38, h, mix(wall, (0, 0, 0), 0.22))
        if rng.random() < 0.3:
            c.line([(x + w / 2, top), (x + w / 2, top - h * 0.18)], 1.2, wall)
        step = max(5.0, tallest / 16)
        y = top + 4
        while y < ground - 4:
            for wx in np.arange(x + 3, x + w - 4, 5.0):
                if rng.random() < lights:
                    warm = (255, 214, 130) if rng.random() < 0.7 else (196, 220, 255)
                    c.rect(float(wx), y, 2.6, step * 0.5, warm, lit=True)
                else:
                    c.rect(float(wx), y, 2.6, step * 0.5, mix(wall, (20, 30, 50), 0.45))
            y += step
        x += w + (float(rng.uniform(0, 5)) if rng.random() < 0.4 else 0.0)
