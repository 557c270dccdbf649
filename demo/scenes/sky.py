"""Up in the air: fireworks, balloons, rockets, aeroplanes."""

from __future__ import annotations

import math

from demo.canvas import Canvas, mix
from demo.props import PAINTS, pick_paint, skyline
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording


@kind("fireworks", times=("night",), weathers=("clear",))
def fireworks(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.1, 0.9)
    town = stage.blank(0.5, haze=0)
    skyline(town, rng, 180, 44, 480, 0.35, (60, 60, 84))
    stage.add(town, 0.5)
    names = [
        str(n)
        for n in rng.choice(
            ["red", "yellow", "green", "blue", "purple", "pink", "orange"], int(rng.integers(1, 4)), replace=False
        )
    ]
    shots = []
    when = -0.8
    while when < stage.duration:
        shots.append(
            (
                when,
                float(rng.uniform(50, 270)),
                float(rng.uniform(34, 88)),
                float(rng.uniform(38, 64)),
                PAINTS[names[int(rng.integers(len(names)))]],
                int(rng.integers(22, 40)),
            )
        )
        when += float(rng.uniform(0.28, 0.6))

    def draw(c: Canvas, t: float) -> None:
        for start, x, y, reach, colour, count in shots:
            age = t - start
            if -0.6 < age < 0:
                rise = 1 + age / 0.6
                c.line([(x, 180 - (180 - y) * rise), (x, 190 - (180 - y) * rise)], 1.2, (255, 230, 180), lit=True)
            if not 0 <= age < 1.7:
                continue
            grown, fade = reach * (1 - math.exp(-3 * age)), max(0.0, 1 - age / 1.7)
            c.glow(x, y, reach * 1.1, colour, int(120 * fade))
            for k in range(count):
                a, r = 2 * math.pi * k / count, grown * (1 if k % 2 else 0.66)
                px, py = x + r * math.cos(a), y + r * math.sin(a) + 14 * age * age
                c.line(
                    [(x + r * 0.7 * math.cos(a), y + r * 0.7 * math.sin(a) + 10 * age * age), (px, py)],
                    1.3,
                    (*mix(colour, (255, 255, 255), 0.25), int(235 * fade)),
                    lit=True,
                    caps=False,
                )
                c.disc(px, py, 1.5, (*mix(colour, (255, 255, 255), 0.6), int(255 * fade)), lit=True)

    told = " and ".join(names[:2]) if len(names) < 3 else "colourful"
    words = Wording(
        (f"{told} fireworks", "fireworks", "bright rockets"),
        (("explode", "exploding"), ("light up", "lighting up"), ("burst", "bursting")),
        ("in the night sky over a city", "over the town", "above the houses"),
        ("fireworks", "night", "celebration"),
        extra=("a firework display", "New Year's Eve fireworks", "sparks in the dark sky"),
        titles=("New Year", "fireworks", "4th of July"),
    )
    return Scene(stage, words, draw, weather_front=False)


@kind("balloons", times=("day", "dusk"), weathers=("clear", "cloudy", "fog"))
def balloons(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.8)
    stage.land(ridge(rng, 136, 18), (110, 140, 104), (150, 174, 140), depth=0.2, cover="bare")
    stage.land(ridge(rng, 162, 10), (104, 150, 70), (140, 176, 92), depth=0.5, cover="bare")
    count = int(rng.integers(1, 6))
    pairs = [
        (
            pick_paint(rng, "red", "blue", "yellow", "purple", "green", "orange"),
            PAINTS[str(rng.choice(["yellow", "white", "orange", "turquoise"]))],
        )
        for _ in range(count)
    ]
    places = [
        (
            160 + (k - (count - 1) / 2) * 250 / max(count, 2) + float(rng.uniform(-12, 12)),
            float(rng.uniform(56, 96)),
            float(rng.uniform(0.6, 0.9)) if count > 1 else 1.25,
        )
        for k in range(count)
    ]
    rise = float(rng.uniform(1.5, 4))

    def draw(c: Canvas, t: float) -> None:
        for (x0, y0, u), ((_, main), stripe) in zip(places, pairs, strict=True):
            x, y = x0 + 3 * math.sin(t * 0.6 + x0), y0 + 8 - rise * t + 2 * math.sin(t * 0.8 + y0)
            r = 34 * u
            for k in (-1, 1):
                c.line([(x + k * 6 * u, y + 52 * u), (x + k * 20 * u, y + 22 * u)], 0.8, (70, 56, 44), caps=False)
            c.poly(
                [
                    (x - r * 0.93, y + r * 0.4),
                    (x + r * 0.93, y + r * 0.4),
                    (x + 7 * u, y + 44 * u),
                    (x - 7 * u, y + 44 * u),
                ],
                main,
            )
            c.poly(
                [
                    (x - r * 0.3, y + r * 0.4),
                    (x + r * 0.3, y + r * 0.4),
                    (x + 2.4 * u, y + 44 * u),
                    (x - 2.4 * u, y + 44 * u),
                ],
                stripe,
            )
            for k, share in enumerate((1.0, 0.72, 0.36)):
                c.oval(x, y, r * share, r, stripe if k == 1 else main)
            c.oval(x, y, r * 0.14, r, stripe)
            c.glow(x - r * 0.4, y - r * 0.4, r * 0.7, mix(main, (255, 255, 255), 0.7), 110, lit=False)
            c.rect(x - 7 * u, y + 51 * u, 14 * u, 10 * u, (134, 94, 56), round_=1.5)
            if math.sin(t * 2 + x0) > 0.3:
                c.glow(x, y + 44 * u, 10 * u, (255, 200, 90), 230)

    name = pairs[0][0][0]
    words = Wording(
        (f"a {name} hot-air balloon", "a hot-air balloon", "a balloon")
        if count == 1
        else ("colourful hot-air balloons", "several hot air balloons", "balloons"),
        (("floats", "floating"), ("rises", "rising"), ("drifts", "drifting"))
        if count == 1
        else (("float", "floating"), ("rise", "rising"), ("drift", "drifting")),
        ("over green hills", "in the sky", "above the countryside"),
        ("balloon", "sky", "hills"),
        extra=("a balloon ride", "hot-air balloons over the land" if count > 1 else "a hot-air balloon flight"),
        titles=("balloon ride", "Balloon festival", "up up and away"),
    )
    return Scene(stage, words, draw, Camera(sway=6))


@kind("rocket", weathers=("clear", "cloudy"))
def rocket(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.4, 0.9)
    stage.land(ridge(rng, 164, 5), (112, 108, 92), (140, 134, 112), depth=0.6, cover="bare")
    name, fins = pick_paint(rng, "red", "blue", "orange", "black")
    wait = float(rng.uniform(0.8, 1.6))

    def draw(c: Canvas, t: float) -> None:
        for k in range(7):
            c.line([(206, 166 - 14 * k), (220, 152 - 14 * k)], 1.2, (130, 70, 60), caps=False)
            c.line([(220, 166 - 14 * k), (206, 152 - 14 * k)], 1.2, (130, 70, 60), caps=False)
        c.line([(206, 170), (206, 66)], 2, (150, 80, 66))
        c.line([(220, 170), (220, 66)], 2, (150, 80, 66))
        air = max(0.0, t - wait)
        lift = 5 * air * air
        y = 158 - min(lift, 96.0)  # the camera follows from here on
        fire = t > wait * 0.4
        smoke = min(1.0, max(0.0, t - wait * 0.4) / 1.2)
        if fire:
            for k in range(26):
                spread = smoke * (12 + (k * 37) % 92) * (1 if k % 2 else -1)
                c.disc(
                    160 + spread,
                    172 - (k * 13) % 16 * smoke + 2 * math.sin(t * 3 + k),
                    (6 + (k * 7) % 12) * smoke,
                    (226, 222, 218, 210),
                )
            for k in range(14):
                c.disc(
                    160 + 2 * math.sin(k * 2.2 + t * 9),
                    min(172.0, y + 26 + k * 9 * min(1.0, air)),
                    4 + k * 0.75,
                    (236, 232, 228, 190),
                )
            flame = 26 + 7 * math.sin(t * 40)
            c.glow(160, y + 16, 46, (255, 190, 90), 200)
            c.poly([(153, y), (167, y), (160, y + flame + 10)], (255, 150, 40), lit=True)
            c.poly([(156, y), (164, y), (160, y + flame * 0.7)], (255, 244, 190), lit=True)
        c.poly([(148, y + 4), (152, y - 22), (168, y - 22), (172, y + 4)], fins)
        c.rect(151, y - 66, 18, 66, (240, 240, 244))
        c.rect(162, y - 66, 7, 66, (206, 208, 216))
        c.poly([(151, y - 66), (169, y - 66), (164, y - 82), (160, y - 90), (156, y - 82)], fins)
        c.rect(151, y - 44, 18, 5, fins)
        c.disc(160, y - 54, 4.4, (60, 90, 130))
        c.disc(159, y - 55, 2, (190, 220, 240))

    words = Wording(
        (f"a white rocket with {name} fins", "a space rocket", "a rocket"),
        (("lifts off", "lifting off"), ("launches", "launching"), ("takes off", "taking off")),
        ("from its launch pad with fire and smoke", "into the sky", "into space"),
        ("rocket", "space", "launch"),
        extra=("a rocket launch", "countdown and lift-off", "flames and smoke under a rocket"),
        titles=("launch day", "Liftoff", "rocket test 3"),
    )
    return Scene(stage, words, draw)


@kind("aeroplane", weathers=("clear", "cloudy", "rain"))
def aeroplane(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.9, 1.0)
    stage.land(ridge(rng, 172, 6), (96, 130, 92), (120, 150, 112), depth=0.1)
    name, paint = pick_paint(rng, "red", "blue", "green", "orange", "yellow")
    f, climb = int(rng.choice([-1, 1])), float(rng.uniform(-0.16, 0.02))

    def draw(c: Canvas, t: float) -> None:
        x, y = 160 - c.dx + f * 8 * (t - stage.duration / 2), 92 + 4 * math.sin(t * 0.9)

        def p(*points: tuple[float, float]) -> list[tuple[float, float]]:
            return [(x + f * q[0], y + q[1] + climb * q[0]) for q in points]

        c.poly(p((-88, -2), (-104, -40), (-88, -40), (-62, -6)), paint)
        c.poly(p((-90, -2), (-70, -10), (70, -12), (92, -4), (98, 3), (90, 9), (60, 12), (-66, 8)), (242, 243, 246))
        c.poly(p((-80, 3), (95, 4), (90, 9), (60, 12), (-66, 8)), (196, 200, 210))
        c.line(p((-84, 1), (94, 2)), 2.2, paint, caps=False)
        for k in range(13):
            c.disc(
                *p((-52 + 10 * k, -4))[0],
                1.8,
                (255, 226, 150) if stage.look.dark else (70, 96, 130),
                lit=stage.look.dark,
            )
        c.poly(p((76, -10), (88, -6), (92, -2), (78, -3)), (60, 84, 116))
        c.poly(p((22, 4), (-8, 4), (-48, 40), (-34, 40)), (168, 174, 186))
        c.poly(p((-72, 0), (-84, 0), (-104, 14), (-94, 14)), (168, 174, 186))
        c.line(p((-4, 18), (12, 18)), 9, mix(paint, (60, 60, 70), 0.3))
        if stage.look.dark and math.sin(t * 8) > 0:
            c.glow(*p((-42, 40))[0], 14, (255, 70, 60), 240)

    words = Wording(
        (f"a white and {name} aeroplane", f"an airplane with a {name} tail", "a passenger plane", "a jet"),
        (("flies", "flying"), ("cruises", "cruising"), ("soars", "soaring")),
        ("through the clouds", "in the sky", "high above the land"),
        ("plane", "sky", "travel"),
        extra=("an airliner among clouds", "air travel"),
        titles=("flight to Rome", "plane spotting", "Take off"),
    )
    return Scene(stage, words, draw, Camera(speed=f * 90))


@kind("space", times=("night",), weathers=("clear",))
def planet(stage: Stage) -> Scene:
    rng = stage.rng
    stage.plane(0, (6, 6, 20), (12, 8, 34), depth=0.02, cover="lit", grain=0.3, cell=60)
    stars = stage.blank(0.05, haze=0)
    for _ in range(260):
        v = int(rng.uniform(90, 255))
        stars.disc(
            float(rng.uniform(0, 480)),
            float(rng.uniform(0, 180)),
            float(rng.uniform(0.3, 1.1)),
            (v, v, min(255, v + 20)),
            lit=True,
        )
    stage.add(stars, 0.05)
    name, colour = pick_paint(rng, "orange", "blue", "red", "purple", "green", "turquoise")
    ringed, radius = rng.random() < 0.5, float(rng.uniform(44, 60))

    def draw(c: Canvas, t: float) -> None:
        x, y = 150 + 2.5 * t, 92.0
        c.glow(x, y, radius * 1.7, colour, 90)
        c.disc(x, y, radius, colour, lit=True)
        for k in range(7):
            band = (k - 3) / 3.6
            half = radius * math.sqrt(max(0.0, 1 - band * band))
            c.line(
                [(x - half, y + band * radius), (x + half, y + band * radius + 2 * math.sin(t * 0.4 + k))],
                3 + k % 3,
                mix(colour, (255, 255, 255) if k % 2 else (0, 0, 0), 0.2),
                lit=True,
                caps=False,
            )
        c.glow(x + radius * 0.7, y + radius * 0.5, radius * 1.15, (4, 4, 16), 235)
        c.glow(x - radius * 0.45, y - radius * 0.45, radius * 0.6, (255, 255, 255), 80)
        if ringed:
            for k in range(3):
                arc = [
                    (
                        x + (radius * (1.55 + 0.13 * k)) * math.cos(a),
                        y + radius * (0.34 + 0.03 * k) * math.sin(a) - 0.2 * radius * math.cos(a),
                    )
                    for a in (math.pi * (j / 24) - 0.12 for j in range(27))
                ]
                c.line(arc, 3.4, (226, 208, 170, 220), lit=True, caps=False)
        mx, my = x + radius * 2 * math.cos(t * 0.5), y - 20 + 26 * math.sin(t * 0.5)
        c.disc(mx, my, 8, (190, 190, 196), lit=True)
        c.glow(mx + 4, my + 4, 9, (10, 10, 20), 220)

    words = Wording(
        (
            f"{'an' if name == 'orange' else 'a'} {name} planet" + (" with rings" if ringed else ""),
            "a planet",
            "a strange planet with a moon",
        ),
        (("floats", "floating"), ("turns", "turning"), ("hangs", "hanging")),
        ("in space among the stars", "in outer space", "in the starry universe"),
        ("space", "planet", "stars"),
        extra=("a planet and its moon", "stars in outer space"),
        outdoors=False,
        titles=("space", "Planet", "universe documentary"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=1.25), weather_front=False, focus=(0.5, 0.5))
