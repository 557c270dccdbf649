"""Objects on a table or in a room: balls, a clock, a candle, a train of dominoes, paint."""

from __future__ import annotations

import math

from demo.canvas import Canvas, Colour, mix, rotated
from demo.props import PAINTS, pick_paint
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage
from demo.wording import Wording

ROOM = ("day",)


def _room(stage: Stage, floor_at: float = 138) -> str:
    """A wall and a floor; returns the wall's colour name."""
    name, wall = pick_paint(stage.rng, "blue", "green", "yellow", "pink", "white", "turquoise", "purple")
    pale = mix(wall, (240, 238, 234), 0.5)
    stage.plane(0, pale, mix(pale, (255, 255, 255), 0.4), depth=0.2, cover="bare", grain=0.03)
    stage.plane(floor_at, (132, 92, 60), (172, 128, 88), depth=1.0, cover="bare", cell=50, grain=0.07)
    return name


@kind("balls", times=ROOM, weathers=("clear",))
def balls(stage: Stage) -> Scene:
    rng, wall = stage.rng, _room(stage)
    count = int(rng.integers(1, 6))
    names = [str(n) for n in rng.choice(["red", "blue", "green", "yellow", "orange", "purple"], count, replace=False)]
    moves = [
        (
            PAINTS[n],
            float(rng.uniform(10, 17)) if count > 1 else 24.0,
            float(rng.uniform(60, 110)),
            float(rng.uniform(0.9, 1.5)),
            float(rng.uniform(0, 6)),
            float(rng.uniform(10, 28)),
        )
        for n in names
    ]

    def draw(c: Canvas, t: float) -> None:
        for k, (colour, r, tall, beat, phase, drift) in enumerate(moves):
            span = 320 - 2 * r
            along = (phase * 50 + drift * t + k * 60) % (2 * span)
            x = r + (along if along < span else 2 * span - along)
            s = (t * beat + phase) % 1.0
            ground = 160.0 + 3 * (k % 3)
            y = ground - r - tall * 4 * s * (1 - s)
            lift = 4 * s * (1 - s)
            c.glow(x, ground, r * (1.5 - 0.5 * lift), (30, 18, 10), int(150 - 90 * lift))
            c.ball(x, y, r, colour)

    subject = (
        f"a {names[0]} ball".replace("a orange", "an orange")
        if count == 1
        else f"{' and '.join(names[:2])} balls"
        if count == 2
        else "colourful balls"
    )
    words = Wording(
        (subject, "a ball" if count == 1 else "balls", "a rubber ball" if count == 1 else "several bouncing balls"),
        (("bounces", "bouncing"), ("jumps up and down", "jumping up and down"))
        if count == 1
        else (("bounce", "bouncing"), ("jump up and down", "jumping up and down")),
        ("on a wooden floor", "in a room", f"in front of a {wall} wall"),
        ("ball", "toys", "indoors"),
        extra=("bouncing ball animation", "toy balls"),
        outdoors=False,
        titles=("bouncing", "Physics demo", "balls"),
    )
    return Scene(stage, words, draw, weather_front=False)


@kind("clock", times=ROOM, weathers=("clear",))
def clock(stage: Stage) -> Scene:
    rng, wall = stage.rng, _room(stage, 176)
    name, rim = pick_paint(rng, "red", "blue", "black", "green", "orange")
    start, fast = float(rng.uniform(0, 720)), rng.random() < 0.5

    def draw(c: Canvas, t: float) -> None:
        c.glow(166, 96, 96, (40, 30, 30), 120)
        c.disc(160, 88, 72, rim)
        c.disc(160, 88, 64, (250, 248, 240))
        for k in range(60):
            a = k * math.pi / 30
            long = k % 5 == 0
            c.line(
                [
                    (160 + (53 if long else 57) * math.sin(a), 88 - (53 if long else 57) * math.cos(a)),
                    (160 + 60 * math.sin(a), 88 - 60 * math.cos(a)),
                ],
                2.2 if long else 0.8,
                (40, 40, 46),
                caps=False,
            )
        for k in range(1, 13):
            c.text(160 + 44 * math.sin(k * math.pi / 6), 88 - 44 * math.cos(k * math.pi / 6), str(k), 11, (40, 40, 46))
        minutes = start + t * (20 if fast else 0.02)
        for angle, reach, width, colour in (
            (minutes / 720, 29, 4.5, (30, 30, 36)),
            (minutes / 60, 46, 3, (30, 30, 36)),
            ((t if not fast else t * 3) // 1 / 60, 50, 1.2, (216, 40, 36)),
        ):
            a = 2 * math.pi * angle
            c.line(
                [(160 - 8 * math.sin(a), 88 + 8 * math.cos(a)), (160 + reach * math.sin(a), 88 - reach * math.cos(a))],
                width,
                colour,
            )
        c.disc(160, 88, 4, (216, 40, 36))

    words = Wording(
        (f"{'an' if name == 'orange' else 'a'} {name} wall clock", "a clock", "a round clock"),
        (
            ("ticks", "ticking"),
            ("shows the time", "showing the time"),
            ("runs fast", "running fast") if fast else ("counts the seconds", "counting the seconds"),
        ),
        (f"on a {wall} wall", "on the wall", "in a room"),
        ("clock", "time", "indoors"),
        extra=("the hands of a clock turn", "time lapse of a clock" if fast else "a clock face"),
        outdoors=False,
        titles=("clock", "Tick tock", "time flies"),
    )
    return Scene(
        stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.35]))), weather_front=False, focus=(0.5, 0.48)
    )


@kind("candle", times=("night",), weathers=("clear",))
def candle(stage: Stage) -> Scene:
    rng = stage.rng
    stage.plane(0, (46, 24, 14), (24, 14, 14), depth=0.2, cover="lit", grain=0.04)
    stage.plane(150, (70, 40, 22), (104, 62, 34), depth=1.0, cover="lit", cell=50)
    count = int(rng.integers(1, 5))
    name, wax = pick_paint(rng, "white", "red", "blue", "green", "yellow")
    sizes = [float(rng.uniform(44, 78)) for _ in range(count)]

    def draw(c: Canvas, t: float) -> None:
        for k, tall in enumerate(sizes):
            x, top = 160 + (k - (count - 1) / 2) * 58, 158 - tall
            f = 1 + 0.1 * math.sin(t * 9 + k * 2) + 0.06 * math.sin(t * 17 + k)
            c.glow(x, top - 14, 84 * f, (255, 170, 70), 130)
            c.rect(x - 13, top, 26, tall, mix(wax, (120, 60, 20), 0.2), lit=True, round_=2)
            c.rect(x + 3, top + 2, 10, tall - 2, mix(wax, (50, 20, 10), 0.45), lit=True, round_=2)
            c.oval(x, top + 1, 13, 4, mix(wax, (255, 220, 150), 0.5), lit=True)
            c.oval(x, 158, 15, 4, mix(wax, (50, 20, 10), 0.4), lit=True)
            c.line([(x, top), (x, top - 6)], 1.4, (40, 30, 26), lit=True)
            sway = 2.2 * math.sin(t * 3 + k)
            for r, h, colour in ((7, 27, (255, 140, 40)), (5, 20, (255, 210, 100)), (2.6, 11, (255, 252, 226))):
                c.poly(
                    [
                        (x - r, top - 9),
                        (x - r * 0.7, top - 4),
                        (x + r * 0.7, top - 4),
                        (x + r, top - 9),
                        (x + r * 0.4 + sway * 0.6, top - 4 - h * f * 0.65),
                        (x + sway, top - 4 - h * f),
                        (x - r * 0.4 + sway * 0.5, top - 4 - h * f * 0.65),
                    ],
                    colour,
                    lit=True,
                )

    one = count == 1
    words = Wording(
        (
            f"a {name} candle" if one else f"{name} candles",
            "a candle" if one else "candles",
            "a candle flame" if one else "candle flames",
        ),
        (("burns", "burning"), ("flickers", "flickering")) if one else (("burn", "burning"), ("flicker", "flickering")),
        ("in a dark room", "on a wooden table", "in the dark"),
        ("candle", "fire", "indoors"),
        extra=("candlelight", "a cosy evening by candlelight"),
        outdoors=False,
        titles=("candlelight", "Cozy evening", "power cut"),
    )
    return Scene(stage, words, draw, weather_front=False)


@kind("gears", times=ROOM, weathers=("clear",))
def gears(stage: Stage) -> Scene:
    rng = stage.rng
    stage.plane(0, (70, 74, 82), (104, 108, 116), depth=0.2, cover="bare", grain=0.08, cell=30)
    metals: tuple[Colour, ...] = ((200, 162, 74), (176, 180, 188), (178, 106, 66))
    name, accent = pick_paint(rng, "red", "blue", "yellow", "green")
    train = [
        (96.0, 100.0, 18, metals[int(rng.integers(3))]),
        (183.5, 68.0, 12, accent),
        (238.0, 112.0, 10, metals[int(rng.integers(3))]),
    ]
    speed = float(rng.uniform(0.8, 1.6)) * float(rng.choice([-1, 1]))

    def draw(c: Canvas, t: float) -> None:
        for k, (x, y, teeth, metal) in enumerate(train):
            r, turn = teeth * 3.1, speed * t * (18 / teeth) * (-1 if k % 2 else 1) + 0.15 * k
            c.glow(x + 5, y + 7, r * 1.35, (20, 20, 24), 150)
            for j in range(teeth):
                c.poly(
                    rotated(
                        [(r - 2, -4.6), (r + 7, -2.6), (r + 7, 2.6), (r - 2, 4.6)],
                        turn + j * 2 * math.pi / teeth,
                        (x, y),
                    ),
                    metal,
                )
            c.disc(x, y, r, metal)
            c.ring(x, y, r * 0.82, 2, mix(metal, (0, 0, 0), 0.3))
            for j in range(5):
                hx, hy = rotated([(r * 0.52, 0)], turn + j * 2 * math.pi / 5, (x, y))[0]
                c.disc(hx, hy, r * 0.19, (84, 88, 96))
            c.disc(x, y, r * 0.16, (60, 62, 70))

    words = Wording(
        ("metal gears", f"gears with a {name} wheel" if name != "orange" else "gear wheels", "cogwheels"),
        (("turn", "turning"), ("rotate", "rotating"), ("interlock and spin", "interlocking and spinning")),
        ("in a machine", "inside a mechanism", "close up"),
        ("gears", "machine", "mechanics"),
        extra=("the inside of a machine", "clockwork"),
        outdoors=False,
        titles=("gearbox", "How it works", "machine room"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.2]))), weather_front=False)
