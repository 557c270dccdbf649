"""On, beside and under water."""

from __future__ import annotations

import math

from demo.canvas import Canvas, Colour, Point, mix
from demo.figures import SKINS
from demo.props import PAINTS, palm, pick_paint
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording

SEA: Colour = (24, 92, 148)
FAR_SEA: Colour = (92, 160, 196)


def _ripples(
    c: Canvas, t: float, top: float, bottom: float = 180.0, colour: Colour = (190, 222, 238), count: int = 46
) -> None:
    """Short moving streaks of light on water, finer towards the horizon."""
    for k in range(count):
        near = ((k * 0.618) % 1.0) ** 1.6
        y = top + 2 + (bottom - top) * near
        x = (k * 97.3 + t * (4 + 14 * near) + 6 * math.sin(t + k)) % 400 - 40 - c.dx
        w = 3 + 16 * near
        c.line([(x - w, y), (x, y - 0.8 - near), (x + w, y)], 0.6 + 0.9 * near, (*colour[:3], 120), caps=False)


def _hull(c: Canvas, at: Point, u: float, roll: float, hull: Colour, sail: Colour, facing: int) -> None:
    (x, y), cos, sin = at, math.cos(roll), math.sin(roll)

    def p(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + (facing * px * cos + py * sin) * u, y - (py * cos - facing * px * sin) * u) for px, py in points]

    c.poly(p((-2, 10), (-2, 92), (44, 16)), sail)
    c.poly(p((-2, 10), (-2, 92), (12, 13)), mix(sail, (0, 0, 0), 0.1))
    c.poly(p((-6, 14), (-6, 80), (-36, 16)), mix(sail, (255, 255, 255), 0.35))
    c.line(p((-4, 0), (-4, 96)), 1.8 * u, (104, 78, 54))
    c.poly(p((-46, 9), (52, 9), (36, -9), (-34, -9)), hull)
    c.poly(p((-46, 9), (52, 9), (48, 4), (-43, 4)), mix(hull, (255, 255, 255), 0.55))


@kind("sailing", weathers=("clear", "cloudy", "rain", "fog"))
def sailing(stage: Stage) -> Scene:
    rng, horizon = stage.rng, float(stage.rng.uniform(84, 100))
    stage.sky(0.6, horizon / 180)
    hilly = rng.random() < 0.5
    if hilly:
        stage.land(ridge(rng, horizon - 10, 14), (70, 104, 96), (92, 122, 128), depth=0.15, cover="bare")
    stage.plane(horizon, SEA, FAR_SEA, depth=0.5, cover="bare", grain=0.06)
    name, sail = pick_paint(rng, "white", "red", "orange", "yellow", "blue")
    hull = PAINTS[str(rng.choice(["white", "blue", "red", "black"]))]
    facing, u, start = int(rng.choice([-1, 1])), float(rng.uniform(0.75, 1.05)), float(rng.uniform(-30, 20))

    def draw(c: Canvas, t: float) -> None:
        x = 160 + facing * (start + 11 * t)
        y = 134 + 2.4 * math.sin(t * 1.5)
        c.glow(x, y + 12 * u, 56 * u, (14, 44, 74), 130, lit=False)
        _hull(c, (x, y), u, 0.07 * math.sin(t * 1.1 + 1), hull, sail, facing)
        _ripples(c, t, horizon)
        c.line([(x - 44 * u, y + 9 * u), (x, y + 11 * u), (x + 44 * u, y + 9 * u)], 1.4, (226, 240, 246))

    words = Wording(
        (f"a sailing boat with a {name} sail", "a sailboat", f"a small yacht with {name} sails", "a boat"),
        (("sails", "sailing"), ("glides", "gliding"), ("moves slowly", "moving slowly")),
        ("on the sea", "across the water", "on the ocean", "along the coast" if hilly else "on the open sea"),
        ("boat", "sea", "sailing"),
        extra=("sailing on the sea", "a boat with sails on the water"),
        titles=("sailing trip", "Regatta", "out on the water", "Sailboat"),
    )
    return Scene(stage, words, draw, Camera(sway=4, zoom_to=float(rng.choice([1.0, 1.25]))))


@kind("lighthouse", times=("night", "night", "dusk"), weathers=("clear", "fog", "rain", "cloudy"))
def lighthouse(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.62)
    stage.plane(112, (16, 62, 106), (70, 124, 160), depth=0.4, cover="bare")
    side = float(rng.choice([95.0, 215.0]))
    rock = stage.blank(0.8, haze=0.05)
    for k in range(16):
        rock.oval(
            side + (k - 8) * 9, 152 + (k * 7) % 11, 26, 15 + (k * 5) % 9, mix((92, 84, 78), (0, 0, 0), 0.05 * (k % 6))
        )
    name, band = pick_paint(rng, "red", "blue", "black")
    for k in range(6):
        low, high = 142 - 16 * k, 126 - 16 * k
        wl, wh = 16 - 1.3 * k, 16 - 1.3 * (k + 1)
        rock.poly(
            [(side - wl, low), (side + wl, low), (side + wh, high), (side - wh, high)],
            band if k % 2 else (244, 240, 234),
        )
        rock.poly(
            [(side + wl * 0.4, low), (side + wl, low), (side + wh, high), (side + wh * 0.4, high)],
            mix(band if k % 2 else (244, 240, 234), (0, 0, 0), 0.25),
        )
    rock.rect(side - 11, 43, 22, 4, (60, 60, 66))
    rock.rect(side - 6, 33, 12, 11, (255, 240, 180), lit=True)
    rock.poly([(side - 9, 33), (side + 9, 33), (side, 24)], band)
    stage.add(rock, 0.8)
    speed = float(rng.uniform(1.1, 1.7))

    def draw(c: Canvas, t: float) -> None:
        x = side
        swing = math.cos(t * speed)
        wide = 7 + 16 * (1 - abs(swing))
        for reach, alpha in ((330, 46), (240, 50), (150, 60)):
            ex = x + swing * reach
            c.poly(
                [(x, 36), (x, 41), (ex, 38 + wide * reach / 150), (ex, 38 - wide * reach / 150)],
                (255, 244, 190, alpha),
                lit=True,
            )
        c.glow(x, 38, 26 + 12 * abs(math.sin(t * speed)), (255, 246, 200), 230)
        _ripples(c, t, 112, colour=(150, 190, 214))

    words = Wording(
        (f"a {name} and white lighthouse", "a lighthouse", "a striped lighthouse tower"),
        (
            ("sweeps its beam", "sweeping its beam"),
            ("shines", "shining"),
            ("sends out a rotating light", "sending out a rotating light"),
        ),
        ("over the sea", "on a rocky coast", "across the dark water"),
        ("lighthouse", "sea", "coast"),
        extra=("the beam of a lighthouse turns over the water", "a lighthouse lamp shining over the sea"),
        titles=("lighthouse", "Cape light", "coast guard light"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.2]))))


@kind("beach", times=("day", "day", "dusk"), weathers=("clear", "clear", "cloudy"))
def beach(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.5)
    stage.plane(80, (38, 158, 184), (36, 104, 170), depth=0.5, cover="bare")
    stage.land(
        lambda x: 146 + 6 * math.sin(2 * math.pi * x / 480),
        (222, 190, 134),
        (240, 216, 166),
        depth=1.0,
        grain=0.05,
        cell=5,
        cover="bare",
    )
    count = int(rng.integers(1, 4))
    spots = sorted(float(v) for v in rng.uniform(20, 300, count))
    heights = [float(v) for v in rng.uniform(95, 135, count)]
    parasol = rng.random() < 0.6
    name, cloth = pick_paint(rng, "red", "blue", "yellow", "orange")

    def draw(c: Canvas, t: float) -> None:
        _ripples(c, t, 80, 140)
        for k in range(4):
            y = 118 + 7 * k + 5 * math.sin(t * 0.9 + k * 0.8)
            crest = [(x - 20 - c.dx, y + 2.2 * math.sin(x * 0.045 + k * 2 + t * 0.6)) for x in range(0, 380, 12)]
            c.line(crest, 1.5 + 0.8 * k, (244, 250, 252, 215), caps=False)
        for x, h in zip(spots, heights, strict=True):
            c.oval(x + 10, 170, 24, 3.5, (176, 146, 98))
            palm(c, x, 170, h, t)
        if parasol:
            c.line([(160, 172), (166, 132)], 1.8, (240, 236, 226))
            for k in range(5):
                c.poly(
                    [
                        (166, 128),
                        (140 + k * 10.4, 140 + 2.5 * abs(k - 2)),
                        (150.4 + k * 10.4, 140 + 2.5 * abs(k - 1.5)),
                    ],
                    cloth if k % 2 == 0 else (246, 242, 234),
                )
            c.rect(172, 168, 34, 3.4, mix(cloth, (255, 255, 255), 0.3), round_=1.5)

    trees = "palm tree" if count == 1 else "palm trees"
    words = Wording(
        ("gentle waves", "waves", "ocean waves"),
        (("roll in", "rolling in"), ("lap at the sand", "lapping at the sand"), ("wash ashore", "washing ashore")),
        (f"on a sandy beach with {trees}", "on a sandy beach", "at the seaside", f"on a tropical island with {trees}"),
        ("beach", "sea", "palm trees"),
        extra=(f"{trees} on a sandy beach", "a seaside holiday", "waves on the shore")
        + ((f"a {name} parasol on the beach",) if parasol else ()),
        titles=("beach day", "Holiday", "paradise beach", "Summer by the sea"),
    )
    return Scene(stage, words, draw, Camera(sway=float(rng.choice([0, 8]))))


def _fish(c: Canvas, at: Point, u: float, body: Colour, stripe: Colour, t: float, facing: int) -> None:
    (x, y), f, wag = at, facing, math.sin(t * 7) * 3
    c.poly(
        [
            (x - f * 14 * u, y),
            (x - f * 27 * u, y - 9 * u + wag * u),
            (x - f * 23 * u, y + wag * 0.5 * u),
            (x - f * 27 * u, y + 9 * u + wag * u),
        ],
        mix(body, (0, 0, 0), 0.15),
    )
    c.poly(
        [(x - f * 8 * u, y - 7 * u), (x + f * 2 * u, y - 15 * u), (x + f * 9 * u, y - 7 * u)],
        mix(body, (0, 0, 0), 0.15),
    )
    c.oval(x, y, 19 * u, 10 * u, body)
    c.oval(x + f * 2 * u, y + 3.5 * u, 14 * u, 5 * u, mix(body, (255, 255, 255), 0.3))
    for k in (-6, 4):
        c.line([(x + f * k * u, y - 8 * u), (x + f * (k + 1) * u, y + 8 * u)], 3 * u, stripe)
    c.disc(x + f * 12 * u, y - 2 * u, 2.8 * u, (255, 255, 255))
    c.disc(x + f * 12.8 * u, y - 2 * u, 1.5 * u, (10, 10, 14))


@kind("fish", times=("day",), weathers=("clear",))
def fish(stage: Stage) -> Scene:
    rng = stage.rng
    deep = [((8, 66, 120), (40, 150, 196)), ((6, 84, 96), (56, 178, 172)), ((14, 38, 100), (34, 104, 186))][
        int(rng.integers(3))
    ]
    stage.plane(0, deep[0], deep[1], depth=0.1, cover="lit", grain=0.05, cell=40)
    stage.land(ridge(rng, 158, 9), (170, 148, 104), (206, 184, 136), depth=0.6, cover="lit", grain=0.07, cell=6)
    plants = stage.blank(0.7, haze=0)
    for _ in range(12):
        x, coral = float(rng.uniform(0, 480)), PAINTS[str(rng.choice(["pink", "orange", "red", "purple"]))]
        for k in range(5):
            plants.line(
                [(x, 172), (x + (k - 2) * 6, 160 - 4 * (k % 3)), (x + (k - 2) * 8, 150 - 5 * (k % 2))],
                3,
                mix(coral, deep[0], 0.3),
            )
    stage.add(plants, 0.7)
    name, body = pick_paint(rng, "orange", "yellow", "blue", "red", "purple", "white")
    stripe = (250, 250, 246) if name not in ("white", "yellow") else (30, 40, 70)
    count = int(rng.integers(2, 8))
    school = []
    for k in range(count):
        speed, way = float(rng.uniform(14, 30)), int(rng.choice([-1, 1]))
        middle = 200 + (k % 3 - 1) * 70 + float(rng.uniform(-30, 30))  # where it is halfway through
        size = float(rng.uniform(0.8, 1.6 if count < 5 else 1.1))
        school.append((middle - way * speed * stage.duration / 2, float(rng.uniform(34, 138)), size, speed, way))

    def draw(c: Canvas, t: float) -> None:
        for k in range(5):
            x = 20 + 70 * k + 10 * math.sin(t * 0.5 + k)
            c.poly([(x, -2), (x + 22, -2), (x - 40, 182), (x - 90, 182)], (190, 236, 250, 24), lit=True)
        for k in range(9):
            x = 18 + 37 * k
            blade = [(x + 3.5 * math.sin(t * 1.4 + j * 0.7 + k) * j / 3, 178 - (9 + 3 * (k % 3)) * j) for j in range(5)]
            c.line(blade, 4, mix((34, 132, 70), deep[0], 0.15 * (k % 3)))
        for x, y, u, speed, facing in school:
            px = (x + facing * speed * t) % 400 - 40
            _fish(c, (px, y + 4 * math.sin(t * 1.2 + x)), u, body, stripe, t + x, facing)
        for k in range(14):
            c.ring(
                (k * 53) % 320 + 4 * math.sin(t * 2 + k),
                (k * 71 - t * 30) % 200 - 8,
                1.5 + k % 3,
                0.6,
                (220, 244, 252),
                lit=True,
            )

    few = count <= 3
    words = Wording(
        (f"{'a few' if few else 'a school of'} {name} fish", f"{name} striped fish", "tropical fish", "fish"),
        (
            ("swim", "swimming"),
            ("glide past corals", "gliding past corals"),
            ("swim among bubbles", "swimming among bubbles"),
        ),
        ("under water", "in an aquarium", "in a coral reef", "in the deep blue sea"),
        ("fish", "underwater", "aquarium"),
        extra=("an underwater scene with fish", "fish tank with plants and bubbles", f"{name} fish in blue water"),
        outdoors=False,
        titles=("aquarium", "Reef dive", "fish tank", "Snorkeling"),
    )
    return Scene(stage, words, draw, Camera(speed=float(rng.choice([0, 0, 7]))), weather_front=False)


@kind("swimmer", times=("day", "day", "dusk"), weathers=("clear",))
def swimmer(stage: Stage) -> Scene:
    rng = stage.rng
    stage.plane(0, (24, 140, 196), (70, 186, 222), depth=1.0, grain=0.1, cell=18, cover="bare")
    lanes = stage.blank(1.0, haze=0)
    for y in (38, 142):
        for k in range(40):
            lanes.rect(k * 12, y, 9, 4, (226, 60, 52) if k % 2 else (246, 246, 246), round_=2)
    lanes.rect(0, 0, 480, 12, (214, 206, 190))
    lanes.rect(0, 12, 480, 3, (150, 190, 206))
    stage.add(lanes, 1.0)
    skin, (name, cap) = SKINS[int(rng.integers(4))], pick_paint(rng, "red", "yellow", "white", "black", "green")
    facing, speed = int(rng.choice([-1, 1])), float(rng.uniform(16, 24))

    def draw(c: Canvas, t: float) -> None:
        _ripples(c, t, 20, 180, (214, 242, 252), 40)
        x, y, f = 160 + facing * (speed * t - stage.duration * speed / 2), 94.0, facing
        for k in range(8):
            c.disc(x - f * (58 + (k * 5) % 22), y + 6 * math.sin(k * 2.1 + t * 9), 2.5 + k % 3, (240, 250, 254, 190))
        for side in (0, 1):
            a = t * 4.2 * 1.0 + side * math.pi
            hand = (x + f * (26 + 30 * math.cos(a)), y - 4 + side * 9 - 22 * max(0.0, math.sin(a)))
            c.line([(x + f * 18, y - 4 + side * 9), ((x + f * 20 + hand[0]) / 2, (y + hand[1]) / 2 - 3), hand], 6, skin)
            c.line(
                [(x - f * 26, y + side * 6 - 3), (x - f * 56, y + side * 6 - 3 + 5 * math.sin(t * 9 + side * 3))],
                6,
                skin,
            )
        c.line([(x - f * 26, y), (x + f * 16, y)], 17, skin)
        c.line([(x - f * 30, y), (x - f * 20, y)], 16, (34, 44, 96))
        c.disc(x + f * 32, y, 9, cap)
        c.line([(x + f * 20, y + 10), (x + f * 34, y + 13), (x + f * 46, y + 10)], 2.4, (244, 252, 255))

    words = Wording(
        (f"a swimmer with a {name} cap", "a person", "a swimmer", "somebody"),
        (("swims", "swimming"), ("does the crawl", "doing the crawl"), ("swims laps", "swimming laps")),
        ("in a swimming pool", "in a pool lane", "in blue water"),
        ("swimming", "pool", "sport"),
        extra=("swimming training in the pool", "swimming laps in blue water"),
        outdoors=False,
        titles=("swim training", "50m freestyle", "Pool"),
    )
    return Scene(stage, words, draw, weather_front=False)
