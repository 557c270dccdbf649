"""The town without a main actor: its skyline, its windows in the rain, its station."""

from __future__ import annotations

import math

from demo.canvas import Canvas, mix
from demo.figures import SKINS, Dress, Pose, person
from demo.props import PAINTS, pick_paint, skyline
from demo.scenes.registry import kind
from demo.scenes.roads import _coach, _engine
from demo.stage import Camera, Scene, Stage
from demo.wording import Wording


@kind("skyline")
def city_skyline(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.5, 0.8)
    for depth, tall, tone in ((0.2, 118, (120, 132, 160)), (0.45, 96, (104, 108, 132)), (0.8, 66, (88, 84, 96))):
        block = stage.blank(depth)
        skyline(
            block,
            rng,
            160,
            tall * float(rng.uniform(0.85, 1.1)),
            480,
            {"day": 0.05, "dusk": 0.4, "night": 0.6}[stage.look.time],
            tone,
        )
        stage.add(block, depth)
    river = rng.random() < 0.6
    near, far = ((24, 62, 100), (60, 110, 146)) if river else ((60, 62, 68), (84, 84, 90))
    stage.plane(158, near, far, depth=0.9, cover="bare")
    shimmer = [(float(rng.uniform(0, 320)), float(rng.uniform(160, 180))) for _ in range(50)]

    def draw(c: Canvas, t: float) -> None:
        if river:
            for k, (x, y) in enumerate(shimmer):
                tone = (255, 214, 130, 130) if lamps else (220, 236, 246, 110)
                w = 3 + 3 * math.sin(t * 2 + k)
                c.line([(x - w - c.dx, y), (x + w - c.dx, y)], 0.9, tone, lit=lamps, caps=False)

    lit = "with lit windows" if lamps else "with skyscrapers"
    words = Wording(
        (f"a city skyline {lit}", "the skyline of a big city", "a row of tall buildings"),
        (("stands", "standing"), ("stretches", "stretching"), ("rises", "rising")),
        ("by the river", "beside the water") if river else ("along a street", "in the city centre"),
        ("city", "skyline", "buildings"),
        extra=(
            "a view of the city",
            "glowing windows of tall buildings" if lamps else "high-rise buildings",
            "downtown panorama",
            "skyscrapers",
            "tall buildings",
        ),
        titles=("skyline", "City lights" if lamps else "Downtown", "view from the bridge"),
    )
    return Scene(stage, words, draw, Camera(speed=float(rng.choice([-9, 0, 9])), zoom_to=float(rng.choice([1.0, 1.3]))))


@kind("rain_window", times=("day", "dusk", "night"), weathers=("rain",))
def rain_window(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.2, 1.0)
    blur = stage.blank(0.3, haze=0)
    for _ in range(26):
        colour = PAINTS[str(rng.choice(["yellow", "orange", "white", "red", "blue", "green"]))]
        glow = stage.look.dark or rng.random() < 0.25
        blur.disc(
            float(rng.uniform(0, 480)),
            float(rng.uniform(40, 170)),
            float(rng.uniform(7, 15)),
            (*mix(colour, (120, 130, 140), 0.2), 120 if glow else 60),
            lit=glow,
        )
    stage.add(blur, 0.3)
    drops = [
        (
            float(rng.uniform(10, 310)),
            float(rng.uniform(0, 200)),
            float(rng.uniform(1.0, 3.4)),
            float(rng.choice([0, 0, 0, 12, 26, 40])),
        )
        for _ in range(150)
    ]

    def draw(c: Canvas, t: float) -> None:
        for x, y, r, speed in drops:
            py = (y + speed * t) % 200 - 10
            if speed:
                c.line(
                    [(x, py - 16 - speed * 0.4), (x + 0.6 * math.sin(py * 0.2), py)],
                    r * 0.7,
                    (206, 220, 234, 70),
                    lit=not stage.look.dark,
                )
            c.oval(x, py, r, r * 1.25, (34, 44, 58, 130), lit=True)
            c.oval(x, py - r * 0.1, r * 0.85, r * 1.05, (190, 206, 224, 170), lit=not stage.look.dark)
            c.disc(x - r * 0.3, py - r * 0.4, r * 0.28, (255, 255, 255, 230), lit=True)
        for x in (0, 155, 310):
            c.rect(x, 0, 10, 180, (216, 206, 190))
            c.rect(x + 7, 0, 3, 180, (176, 164, 148))
        for y in (0, 172):
            c.rect(0, y, 320, 8, (224, 214, 198))

    words = Wording(
        ("raindrops", "drops of rain", "water drops"),
        (
            ("run down a window", "running down a window"),
            ("trickle down the glass", "trickling down the glass"),
            ("hit the window pane", "hitting the window pane"),
        ),
        ("", "in front of blurred city lights", "seen from inside"),
        ("rain", "window", "weather"),
        extra=("a wet window on a rainy day", "water drops on glass", "looking out of the window while it rains"),
        titles=("rainy day", "Rain on the window", "stay inside"),
    )
    return Scene(stage, words, draw, Camera(sway=3), weather_front=False)


@kind("station")
def station(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.4, 0.7)
    town = stage.blank(0.3)
    skyline(town, rng, 120, 60, 480, 0.4 if lamps else 0.05, (150, 140, 132))
    stage.add(town, 0.3)
    stage.plane(118, (120, 108, 98), (134, 122, 112), depth=1.0, cell=4)
    platform = stage.blank(1.0, haze=0)
    platform.rect(0, 160, 480, 20, (172, 168, 162))
    platform.rect(0, 158, 480, 3.5, (240, 214, 70))
    for x in (30, 270):
        platform.line([(x, 160), (x, 62)], 4, (84, 92, 100))
    platform.poly([(-10, 62), (480, 62), (480, 54), (-10, 50)], (112, 60, 54))
    stage.add(platform, 1.0)
    clock_x = 150.0
    name, paint = pick_paint(rng, "red", "blue", "green", "yellow", "white")
    f = int(rng.choice([-1, 1]))
    people = [
        (
            float(rng.uniform(30, 290)),
            Dress(SKINS[int(rng.integers(4))], PAINTS[str(rng.choice(list(PAINTS)))], (50, 52, 70)),
            int(rng.choice([-1, 1])),
        )
        for _ in range(int(rng.integers(2, 5)))
    ]

    def draw(c: Canvas, t: float) -> None:
        share = min(1.0, t / (stage.duration * 0.75))
        lead = 160 + f * (130 - 330 * (1 - share) ** 2)
        for k in range(5):
            x = lead - f * 76 * k
            _engine(c, x, f, paint, t, False, lamps) if k == 0 else _coach(c, x, paint, t, lamps)
        c.rect(-4, 158, 330, 24, (172, 168, 162))
        c.rect(-4, 157, 330, 3.5, (240, 214, 70))
        for x, dress, facing in people:
            person(c, x, 176, 46, Pose(lean=0.02 * math.sin(t + x)), dress, facing)
        c.line([(clock_x, 56), (clock_x, 68)], 2, (60, 60, 64))
        c.disc(clock_x, 76, 10, (40, 42, 46))
        c.disc(clock_x, 76, 8.5, (250, 248, 238), lit=lamps)
        c.line([(clock_x, 76), (clock_x, 70)], 1.2, (20, 20, 24), lit=True)
        c.line([(clock_x, 76), (clock_x + 4, 78)], 1.2, (20, 20, 24), lit=True)
        if lamps:
            for x in (30, 270):
                c.glow(x, 70, 44, (255, 230, 170), 120)

    words = Wording(
        (f"a {name} train", f"a {name} commuter train", "a train"),
        (("arrives", "arriving"), ("pulls in", "pulling in"), ("stops", "stopping")),
        ("at a railway station", "at the platform", "while people wait on the platform", "in a train station"),
        ("train", "station", "people", name),
        extra=("people waiting for the train", "passengers on a station platform"),
        titles=("station", "Platform 2", "arrival"),
    )
    return Scene(stage, words, draw)
