"""Machines in the fields: wind turbines, windmills, tractors."""

from __future__ import annotations

import math

from demo.canvas import Canvas, mix, rotated
from demo.props import house, leafy_tree, pick_paint, wheel
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording


@kind("turbines")
def turbines(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.6, 0.75)
    stage.land(ridge(rng, 132, 12), (104, 150, 78), (150, 180, 108), depth=0.3)
    stage.land(ridge(rng, 154, 7), (196, 170, 74) if rng.random() < 0.4 else (86, 144, 62), (150, 176, 84), depth=0.8)
    count = int(rng.integers(2, 6))
    masts = sorted(
        (
            (28 + 264 * (k + 0.5) / count + float(rng.uniform(-10, 10)), float(rng.uniform(0.55, 1.0)))
            for k in range(count)
        ),
        key=lambda m: m[1],
    )
    speed = float(rng.uniform(1.4, 2.8))

    def draw(c: Canvas, t: float) -> None:
        for k, (x, u) in enumerate(masts):
            base, hub = 158.0, 158 - 104 * u
            c.poly([(x - 3.2 * u, base), (x + 3.2 * u, base), (x + 1.6 * u, hub), (x - 1.6 * u, hub)], (240, 242, 244))
            for blade in range(3):
                shape = [(0, -1.6 * u), (14 * u, -3.6 * u), (50 * u, 0), (14 * u, 1.2 * u), (0, 1.6 * u)]
                c.poly(rotated(shape, speed * t + k + blade * 2 * math.pi / 3, (x, hub)), (250, 250, 252))
            c.disc(x, hub, 3.2 * u, (214, 218, 224))
            if stage.look.dark and math.sin(t * 3) > 0:
                c.glow(x, hub, 9, (255, 60, 50), 240)

    words = Wording(
        ("wind turbines", f"{['', '', 'two', 'three', 'four', 'five'][count]} wind turbines", "white windmills"),
        (("turn", "turning"), ("spin", "spinning"), ("rotate", "rotating")),
        ("in a field", "on green hills" if stage.look.weather != "snow" else "on snowy hills", "in the countryside"),
        ("wind turbine", "energy", "field"),
        extra=("a wind farm", "wind energy"),
        titles=("wind farm", "Green energy", "turbines"),
    )
    return Scene(stage, words, draw, Camera(sway=6))


@kind("windmill", weathers=("clear", "cloudy", "snow", "fog"))
def windmill(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.6, 0.75)
    stage.land(ridge(rng, 136, 6), (96, 150, 78), (140, 178, 104), depth=0.3)
    name, tulip = pick_paint(rng, "red", "yellow", "pink", "purple")
    stage.plane(142, (80, 146, 60), (118, 170, 80), depth=1.0)
    field = stage.blank(1.0, haze=0)
    blooming = stage.look.weather != "snow"
    if blooming:
        for row in range(4):
            for k in range(70):
                field.disc(k * 7 + 3 * (row % 2), 150 + 8 * row, 2.2 + 0.3 * row, mix(tulip, (0, 0, 0), 0.08 * (k % 3)))
    stage.add(field, 1.0)
    x, speed = float(rng.uniform(120, 200)), float(rng.uniform(0.7, 1.4))

    def draw(c: Canvas, t: float) -> None:
        c.poly([(x - 26, 148), (x + 26, 148), (x + 16, 74), (x - 16, 74)], (150, 96, 70))
        c.poly([(x + 6, 148), (x + 26, 148), (x + 16, 74), (x + 4, 74)], (124, 78, 58))
        c.rect(x - 32, 118, 64, 4, (226, 216, 196))
        c.poly([(x - 18, 75), (x + 18, 75), (x + 12, 58), (x, 52), (x - 12, 58)], (70, 60, 58))
        c.rect(x - 6, 132, 12, 16, (70, 50, 40))
        c.rect(
            x - 5,
            94,
            10,
            11,
            (255, 218, 130) if stage.look.time != "day" else (200, 220, 232),
            lit=stage.look.time != "day",
        )
        for k in range(4):
            a = speed * t + k * math.pi / 2
            c.line(rotated([(0, 0), (62, 0)], a, (x, 70)), 2.2, (90, 70, 56))
            c.poly(rotated([(12, 1), (61, 1), (61, 12), (12, 12)], a, (x, 70)), (240, 232, 214))
            for j in range(4):
                c.line(rotated([(16 + 13 * j, 1), (16 + 13 * j, 12)], a, (x, 70)), 0.8, (130, 106, 84), caps=False)
        c.disc(x, 70, 3.5, (60, 50, 46))

    words = Wording(
        ("an old windmill", "a windmill", "a Dutch windmill"),
        (("turns", "turning"), ("spins its sails", "spinning its sails"), ("rotates", "rotating")),
        (
            (f"behind {name} tulips", "in a tulip field", "in the countryside")
            if blooming
            else ("in a snowy field", "in the countryside")
        ),
        ("windmill", "field", "flowers" if blooming else "winter"),
        extra=("a mill in Holland", f"{name} tulips and a windmill" if blooming else "a windmill in winter"),
        titles=("windmill", "Holland", "the old mill"),
    )
    return Scene(stage, words, draw)


@kind("tractor", times=("day", "day", "dusk"), weathers=("clear", "cloudy", "fog", "rain"))
def tractor(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.65)
    stage.land(ridge(rng, 112, 14), (110, 150, 86), (150, 180, 116), depth=0.25)
    farm = stage.blank(0.5)
    house(farm, float(rng.uniform(60, 260)), 132, 56, (178, 60, 50), (110, 96, 90), stage.look.time != "day")
    for _ in range(6):
        leafy_tree(farm, float(rng.uniform(10, 470)), 132, float(rng.uniform(30, 46)), (76, 134, 60), rng)
    stage.add(farm, 0.5)
    ripe = rng.random() < 0.5
    near = (206, 172, 70) if ripe else (124, 88, 58)
    stage.plane(128, near, mix(near, (255, 255, 255), 0.16), depth=1.0, cell=5, grain=0.14)
    rows = stage.blank(1.0, haze=0)
    for k in range(6):
        rows.rect(0, 136 + 8 * k, 480, 1.6, mix(near, (0, 0, 0), 0.25))
    stage.add(rows, 1.0)
    name, paint = pick_paint(rng, "green", "red", "blue", "yellow")
    f, speed = int(rng.choice([-1, 1])), float(rng.uniform(13, 20))

    def draw(c: Canvas, t: float) -> None:
        x, y = 160 + f * speed * (t - stage.duration / 2), 164 + 0.7 * math.sin(t * 14)
        for k in range(8):
            c.disc(x - f * (44 + k * 9), 164 - (k * 5) % 14, 5 + k, (190, 160, 120, 70))
        c.rect(min(x, x + f * 46), y - 40, 46, 20, paint, round_=4)
        c.poly([(x - f * 30, y - 22), (x - f * 26, y - 66), (x + f * 2, y - 66), (x + f * 8, y - 22)], paint)
        c.poly([(x - f * 24, y - 40), (x - f * 21, y - 61), (x - f * 1, y - 61), (x + f * 3, y - 40)], (168, 206, 224))
        c.rect(x - 30 if f > 0 else x - 6, y - 70, 36, 5, mix(paint, (0, 0, 0), 0.3), round_=2)
        c.line([(x + f * 34, y - 40), (x + f * 34, y - 58)], 3, (60, 60, 64))
        for k in range(4):
            c.disc(x + f * (34 - 5 * k), y - 62 - 7 * k - (t * 12) % 7, 2.5 + 1.3 * k, (120, 120, 124, 150 - 30 * k))
        wheel(c, x - f * 20, y - 18, 21, t * 2 * f)
        wheel(c, x + f * 34, y - 10, 12, t * 3.4 * f)

    words = Wording(
        (f"a {name} tractor", "a tractor", "a farmer's tractor"),
        (("ploughs", "ploughing"), ("works", "working"), ("drives", "driving")),
        ("across a field" if not ripe else "through a golden wheat field", "on a farm", "on farmland"),
        ("tractor", "farm", "field", name),
        extra=("farm work", "agriculture"),
        titles=("harvest", "On the farm", "ploughing"),
    )
    return Scene(stage, words, draw)
