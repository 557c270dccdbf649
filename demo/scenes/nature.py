"""Landscapes with a little life in them: snow, fire, waterfalls, storms."""

from __future__ import annotations

import math

from demo.canvas import Canvas, mix
from demo.props import PAINTS, pick_paint, pine
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording


@kind("snowman", weathers=("snow",))
def snowman(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.4, 0.8)
    stage.land(ridge(rng, 112, 18), (200, 210, 222), (226, 232, 240), depth=0.2)
    wood = stage.blank(0.6)
    for _ in range(18):
        pine(wood, float(rng.uniform(0, 480)), float(rng.uniform(128, 142)), float(rng.uniform(56, 104)), snowy=True)
    stage.add(wood, 0.6)
    stage.land(ridge(rng, 142, 6), (226, 232, 240), (246, 248, 252), depth=1.0)
    name, scarf = pick_paint(rng, "red", "blue", "green", "yellow", "purple")
    x0 = float(rng.uniform(130, 190))

    def draw(c: Canvas, t: float) -> None:
        c.oval(x0 + 12, 168, 46, 6, (120, 136, 164, 120))
        for y, r in ((144, 29), (105, 21), (76, 15)):
            c.ball(x0, y, r, (246, 248, 252))
        for side in (-1, 1):
            hand = (x0 + side * 48, 88 + 3 * math.sin(t * 3) * side)
            c.line([(x0 + side * 18, 104), hand], 2.4, (92, 62, 42))
            c.line([hand, (hand[0] + side * 7, hand[1] - 7)], 1.6, (92, 62, 42))
        c.line([(x0 - 15, 91), (x0, 95), (x0 + 15, 91)], 6, scarf)
        c.line([(x0 + 9, 94), (x0 + 15 + 2 * math.sin(t * 2), 116)], 6, scarf)
        c.rect(x0 - 17, 60, 34, 4, (34, 34, 40), round_=1)
        c.rect(x0 - 11, 40, 22, 21, (34, 34, 40), round_=1)
        c.rect(x0 - 11, 54, 22, 4, scarf)
        for side in (-1, 1):
            c.disc(x0 + side * 5, 72, 2, (24, 24, 28))
        c.poly([(x0 - 1, 75), (x0 - 1, 80), (x0 + 15, 79)], (240, 128, 32))
        for y in (100, 110, 134, 146):
            c.disc(x0, y, 2.2, (30, 30, 36))

    words = Wording(
        (f"a snowman with a {name} scarf", "a snowman", "a smiling snowman with a hat"),
        (("stands", "standing"), ("waves its arms", "waving its arms")),
        ("in a snowy forest", "in front of pine trees", "in a winter landscape"),
        ("snowman", "winter", "snow", "forest"),
        extra=("snowfall in the forest", "a winter day with a snowman", "snow falls on pine trees"),
        titles=("winter wonderland", "Snowman", "first snow"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.25]))))


@kind("campfire", times=("night", "night", "dusk"), weathers=("clear", "clear", "snow"))
def campfire(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.2, 0.8)
    wood = stage.blank(0.5, haze=0)
    for _ in range(16):
        pine(
            wood,
            float(rng.uniform(0, 480)),
            float(rng.uniform(124, 136)),
            float(rng.uniform(60, 120)),
            snowy=stage.look.weather == "snow",
        )
    stage.add(wood, 0.5)
    stage.plane(130, (70, 84, 50), (92, 108, 64), depth=1.0)
    tent = rng.random() < 0.6
    name, cloth = pick_paint(rng, "orange", "green", "blue", "red", "yellow")
    side = int(rng.choice([-1, 1]))

    def draw(c: Canvas, t: float) -> None:
        flicker = 1 + 0.08 * math.sin(t * 13) + 0.06 * math.sin(t * 21.7)
        if tent:
            x = 160 + side * 92
            c.poly([(x - 46, 150), (x + 46, 150), (x, 92)], mix(cloth, (255, 170, 90), 0.25))
            c.poly([(x - 46, 150), (x - 4, 150), (x, 92)], mix(cloth, (0, 0, 0), 0.2))
            c.poly([(x - 13, 150), (x + 13, 150), (x, 106)], (30, 24, 26))
        c.glow(160, 150, 130 * flicker, (255, 150, 60), 120)
        for a, b in (((132, 164), (186, 156)), ((136, 156), (188, 165)), ((144, 166), (176, 150))):
            c.line([a, b], 7, (104, 68, 44))
        for k in range(10):
            c.disc(126 + 7.5 * k, 168 + 2.5 * math.sin(k), 5, (120, 116, 112))
        for wide, tall, colour in (
            (25, 76, (232, 84, 26)),
            (18, 58, (255, 146, 36)),
            (11, 38, (255, 222, 110)),
            (5.5, 20, (255, 250, 214)),
        ):
            points = []
            for j in range(15):
                share = j / 14
                lift = math.sin(math.pi * share) ** 1.4
                jag = 0.75 + 0.25 * math.sin(t * 11 + j * 2.3 + wide)
                points.append(
                    (
                        160 + (share * 2 - 1) * wide * (1 - 0.25 * lift) + 3 * lift * math.sin(t * 6 + j * 0.4),
                        160 - tall * flicker * lift * jag,
                    )
                )
            c.poly([*points, (160 + wide * 0.8, 164), (160 - wide * 0.8, 164)], colour, lit=True)
        for k in range(18):
            age = (t * 0.5 + k * 0.137) % 1.0
            c.disc(
                160 + 30 * math.sin(k * 1.9 + age * 4) * age + (k % 5 - 2) * 4,
                140 - 116 * age,
                1.1 * (1 - age) + 0.3,
                (255, 180, 80),
                lit=True,
            )

    words = Wording(
        (
            "a campfire" + (f" next to {'an' if name == 'orange' else 'a'} {name} tent" if tent else ""),
            "a campfire",
            "a bonfire",
            "a fire",
        ),
        (("burns", "burning"), ("flickers", "flickering"), ("glows", "glowing")),
        ("in the forest", "among pine trees", "at a camp site"),
        ("fire", "camping", "forest"),
        extra=("camping by the fire", "sparks rise from a fire", "a wood fire in the dark"),
        titles=("camping trip", "Campfire", "around the fire"),
    )
    return Scene(stage, words, draw)


@kind("waterfall", times=("day", "day", "dusk"), weathers=("clear", "cloudy", "fog"))
def waterfall(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.5)
    x0, half = float(rng.uniform(140, 180)), float(rng.uniform(24, 38))
    stage.land(ridge(rng, 38, 10, 8), (84, 80, 78), (118, 112, 104), depth=1.0, grain=0.24, cell=16, cover="bare")
    moss = stage.blank(1.0, haze=0.1)
    for _ in range(34):
        px = float(rng.uniform(0, 480))
        if abs(px - x0) > half + 12:
            moss.oval(
                px,
                float(rng.uniform(40, 150)),
                float(rng.uniform(8, 22)),
                float(rng.uniform(4, 9)),
                mix((52, 116, 50), (0, 0, 0), float(rng.uniform(0, 0.35))),
            )
    for _ in range(10):
        pine(
            moss,
            float(rng.choice([rng.uniform(0, x0 - half - 10), rng.uniform(x0 + half + 10, 330)])),
            float(rng.uniform(44, 62)),
            float(rng.uniform(24, 42)),
        )
    moss.rect(0, 150, 480, 30, (46, 124, 140))
    stage.add(moss, 1.0)
    streaks = [(float(rng.uniform(-1, 1)), float(rng.uniform(0, 130)), float(rng.uniform(10, 34))) for _ in range(90)]

    def draw(c: Canvas, t: float) -> None:
        c.poly(
            [(x0 - half * 0.85, 40), (x0 + half * 0.85, 40), (x0 + half * 1.1, 156), (x0 - half * 1.1, 156)],
            (188, 220, 234),
        )
        for place, phase, length in streaks:
            y = 40 + (phase + 95 * t) % 118
            x = x0 + place * half * (0.85 + 0.2 * (y - 40) / 116)
            c.line(
                [(x, y), (x, min(156.0, y + length))],
                1.3,
                (248, 252, 255, 190) if phase > 50 else (134, 184, 208, 170),
                caps=False,
            )
        for k in range(22):
            c.disc(
                x0 + (k - 10.5) * half * 0.12,
                154 + 3 * math.sin(t * 5 + k * 1.3),
                7 + 3 * math.sin(t * 3 + k),
                (240, 248, 252, 150),
            )
        for k in range(4):
            r = (t * 18 + 22 * k) % 88
            c.oval(x0, 168, half + r, 2 + r * 0.1, (190, 226, 234, 40))

    words = Wording(
        ("a waterfall", "white water", "a mountain waterfall"),
        (("falls", "falling"), ("plunges", "plunging"), ("rushes down", "rushing down")),
        ("over a cliff into a pool", "between mossy rocks", "in the mountains"),
        ("waterfall", "water", "rocks", "nature"),
        extra=("a waterfall among rocks and trees", "water splashing into a pool"),
        titles=("waterfall hike", "Hidden falls", "nature sounds"),
    )
    return Scene(stage, words, draw, Camera(zoom_from=float(rng.choice([1.0, 1.25]))))


@kind("lightning", times=("night",), weathers=("rain",))
def lightning(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.8, 0.8)
    stage.land(ridge(rng, 140, 16), (50, 74, 52), (70, 96, 74), depth=0.4)
    stage.land(ridge(rng, 160, 8), (44, 66, 40), (60, 84, 50), depth=0.8)
    bolts = []
    when = float(rng.uniform(0.2, 0.6))
    while when < stage.duration:
        x, y, path = float(rng.uniform(60, 260)), 0.0, []
        while y < 142:
            path.append((x, y))
            x, y = x + float(rng.uniform(-14, 14)), y + float(rng.uniform(8, 16))
        fork = [path[4]] + [(path[4][0] + 11 * k + float(rng.uniform(-5, 5)), path[4][1] + 12 * k) for k in range(1, 5)]
        bolts.append((when, path, fork))
        when += float(rng.uniform(0.5, 0.9))

    def draw(c: Canvas, t: float) -> None:
        for when, path, fork in bolts:
            age = t - when
            if 0 <= age < 0.6:
                power = (1 - age / 0.6) * (0.6 + 0.4 * math.cos(age * 40))
                c.glow(path[5][0], 50, 190, (196, 204, 255), int(170 * max(0, power)))
                for points, width in ((path, 2.6), (fork, 1.4)):
                    c.line(points, width * 2.2, (170, 180, 255, int(120 * max(0.1, power))), lit=True)
                    c.line(points, width, (255, 255, 255, int(120 + 135 * max(0, power))), lit=True)

    words = Wording(
        ("lightning", "a flash of lightning", "a bolt of lightning"),
        (("strikes", "striking"), ("flashes", "flashing"), ("lights up the sky", "lighting up the sky")),
        ("over dark hills during a thunderstorm", "in a storm", "over the land"),
        ("lightning", "storm", "weather"),
        extra=("a thunderstorm", "stormy weather with lightning"),
        titles=("thunderstorm", "Storm chasing", "lightning"),
    )
    return Scene(stage, words, draw)


@kind("autumn", times=("day", "dusk"), weathers=("clear", "cloudy", "fog", "rain"))
def autumn(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.7)
    stage.land(ridge(rng, 116, 12), (150, 120, 70), (178, 146, 92), depth=0.3)
    stage.plane(140, (150, 100, 48), (176, 128, 64), depth=1.0, cell=4, grain=0.2)
    leaf_names = ["orange", "red", "yellow"]
    trunks = stage.blank(1.0, haze=0.1)
    for x in (30, 110, 205, 290, 380, 450):
        base = 156 + float(rng.uniform(-8, 8))
        trunks.line([(x, base), (x + 3, 70), (x - 2, 20)], 8, (84, 58, 42))
        trunks.line([(x + 2, 90), (x + 24, 62)], 3.5, (84, 58, 42))
        for _ in range(44):
            tone = PAINTS[leaf_names[int(rng.integers(3))]]
            trunks.disc(
                x + float(rng.normal(0, 27)),
                42 + float(rng.normal(0, 22)),
                float(rng.uniform(6, 12)),
                mix(tone, (90, 40, 10), float(rng.uniform(0, 0.4))),
            )
    stage.add(trunks, 1.0)
    leaves = [
        (
            float(rng.uniform(-20, 340)),
            float(rng.uniform(0, 190)),
            float(rng.uniform(16, 34)),
            PAINTS[leaf_names[int(rng.integers(3))]],
        )
        for _ in range(46)
    ]

    def draw(c: Canvas, t: float) -> None:
        for x, y, speed, tone in leaves:
            py, px = (y + speed * t) % 190 - 6, x + 13 * math.sin(t * 1.3 + y) - c.dx
            c.oval(px, py, 1.2 + 2.6 * abs(math.sin(t * 3 + x)), 2.2, tone)

    words = Wording(
        ("autumn leaves", "orange and red leaves", "colourful leaves"),
        (("fall from the trees", "falling from the trees"), ("drift down", "drifting down"), ("fall", "falling")),
        ("in a forest", "in an autumn park", "between the trees"),
        ("autumn", "leaves", "forest", "trees"),
        extra=("a forest in autumn", "fall foliage", "trees with orange leaves"),
        titles=("autumn", "Indian summer", "October walk"),
    )
    return Scene(stage, words, draw, Camera(speed=float(rng.choice([0, 6, -6]))))
