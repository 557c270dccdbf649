"""On roads and rails."""

from __future__ import annotations

import math

from demo.canvas import Canvas, mix
from demo.figures import SKINS, Dress
from demo.props import PAINTS, bicycle, bus, car, house, leafy_tree, pick_paint, pine, skyline, wheel
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording

CAR_COLOURS = ("red", "blue", "green", "yellow", "white", "black", "orange")


def road(stage: Stage, top: float, dashes: bool = True) -> None:
    """An asphalt road with a kerb and lane markings across the tile."""
    stage.plane(top - 6, (150, 146, 140), (166, 162, 156), depth=1.0, cell=5)
    stage.plane(top, (66, 66, 72), (78, 78, 84), depth=1.0, grain=0.06, cell=4, cover="bare")
    if dashes:
        marks = stage.blank(1.0, haze=0)
        for k in range(12):
            marks.rect(k * 40, top + (180 - top) * 0.55, 20, 2.4, (232, 226, 206))
        stage.add(marks, 1.0)


def _wet(c: Canvas, stage: Stage, x: float, ground: float, colour: tuple[int, ...]) -> None:
    if stage.look.weather == "rain":
        c.glow(x, ground + 14, 44, mix(colour, (200, 210, 230), 0.3), 70, lit=not stage.look.dark)


@kind("car_city")
def car_city(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.4, 0.7)
    for depth, tall, tone in ((0.25, 96, (128, 138, 160)), (0.6, 82, (150, 136, 124))):
        block = stage.blank(depth)
        skyline(block, rng, 138, tall, 480, 0.5 if lamps else 0.06, tone)
        stage.add(block, depth)
    road(stage, 140)
    lampposts = stage.blank(1.0, haze=0)
    for x in range(40, 480, 120):
        lampposts.line([(x, 138), (x, 84), (x + 14, 80)], 2, (70, 74, 80))
        if lamps:
            lampposts.glow(x + 15, 82, 20, (255, 226, 150), 230)
    stage.add(lampposts, 1.0)
    name, paint = pick_paint(rng, *CAR_COLOURS)
    a_bus = rng.random() < 0.25
    facing, tracked = int(rng.choice([-1, 1])), rng.random() < 0.45
    speed, other = float(rng.uniform(34, 60)), PAINTS[str(rng.choice(["white", "black", "blue"]))]
    size = float(rng.uniform(105, 135))

    def draw(c: Canvas, t: float) -> None:
        travel = facing * speed * t
        x = 160 - c.dx if tracked else 160 + (travel + 190 - facing * 60) % 380 - 190
        if rng_other:
            ox = 160 - c.dx + ((260 - facing * 30 * t) % 520 - 260)
            car(c, (ox, 150), 62, other, -t * 6, -facing, lamps)
        (bus if a_bus else car)(c, (x, 168), size * (1.25 if a_bus else 1), paint, t * 8, facing, lamps)
        _wet(c, stage, x, 168, paint)

    rng_other = rng.random() < 0.5
    thing = "bus" if a_bus else "car"
    words = Wording(
        (f"a {name} {thing}", f"a {name} {'city bus' if a_bus else 'automobile'}", f"a {thing}", f"a {name} vehicle"),
        (("drives", "driving"), ("moves", "moving"), ("goes", "going")),
        ("along a city street", "through the city", "past tall buildings", "on a street in town", "down an urban road"),
        (thing, "city", "street", name),
        extra=("city traffic", f"a {thing} in front of tall buildings", "street scene with buildings"),
        titles=("downtown drive", "city traffic", "Main Street", "commute"),
    )
    return Scene(
        stage,
        words,
        draw,
        Camera(speed=facing * speed if tracked else 0.0, zoom_to=1.0 if tracked else float(rng.choice([1, 1.2]))),
        focus=(0.5, 0.9),
    )


@kind("car_country")
def car_country(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.5, 0.6)
    desert = rng.random() < 0.3 and stage.look.weather in ("clear", "cloudy")
    far, near = ((190, 140, 96), (206, 160, 104)) if desert else ((92, 128, 112), (84, 146, 70))
    stage.land(ridge(rng, 94, 26), mix(far, (0, 0, 0), 0.1), far, depth=0.2)
    stage.land(ridge(rng, 122, 12), near, mix(near, (255, 255, 200), 0.15), depth=0.5)
    trees = stage.blank(0.7)
    for _ in range(3 if desert else 12):
        leafy_tree(
            trees,
            float(rng.uniform(20, 460)),
            136,
            float(rng.uniform(26, 44)),
            (86, 128, 56) if not desert else (130, 128, 70),
            rng,
        )
    stage.add(trees, 0.7)
    road(stage, 142)
    name, paint = pick_paint(rng, *CAR_COLOURS)
    facing, speed = int(rng.choice([-1, 1])), float(rng.uniform(70, 110))

    def draw(c: Canvas, t: float) -> None:
        car(c, (160 - c.dx + 16 * math.sin(t * 0.5), 168), 128, paint, t * 12, facing, lamps)

    where = "a desert road" if desert else "a country road"
    words = Wording(
        (f"a {name} car", f"a {name} automobile", "a car", f"a fast {name} car"),
        (("speeds", "speeding"), ("drives fast", "driving fast"), ("travels", "travelling")),
        (
            f"along {where}",
            f"on {where} between hills",
            "on a highway",
            "past hills and trees" if not desert else "through the desert",
        ),
        ("car", "road", "desert" if desert else "hills", name),
        extra=("a road trip", f"driving on {where}"),
        titles=("road trip", "Highway", "weekend drive", "On the road"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * speed))


@kind("train", weathers=("clear", "cloudy", "rain", "snow", "fog"))
def train(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.5, 0.55)
    stage.land(ridge(rng, 82, 30), (88, 116, 110), (120, 140, 146), depth=0.15)
    stage.land(ridge(rng, 110, 16), (74, 130, 66), (110, 160, 86), depth=0.35)
    wood = stage.blank(0.5)
    for _ in range(16):
        pine(
            wood,
            float(rng.uniform(10, 470)),
            float(rng.uniform(122, 134)),
            float(rng.uniform(22, 40)),
            snowy=stage.look.weather == "snow",
        )
    stage.add(wood, 0.5)
    stage.plane(132, (86, 138, 64), (104, 156, 78), depth=0.9)
    track = stage.blank(1.0, haze=0)
    track.rect(0, 154, 480, 9, (120, 108, 98))
    for k in range(60):
        track.rect(k * 8, 155, 4.5, 6, (80, 62, 50))
    track.rect(0, 153, 480, 2, (176, 178, 184))
    stage.add(track, 1.0)
    steam = rng.random() < 0.4
    name, paint = (
        pick_paint(rng, "red", "blue", "green", "yellow") if not steam else pick_paint(rng, "black", "green", "red")
    )
    facing, speed = int(rng.choice([-1, 1])), float(rng.uniform(30, 55))
    tracked = rng.random() < 0.3

    def draw(c: Canvas, t: float) -> None:
        f = facing
        lead = 160 - c.dx + f * 90 if tracked else 160 + f * (speed * t - 60)
        for k in range(6):
            x = lead - f * (76 * k + (0 if k == 0 else 6))
            if -80 < x + c.dx < 400:
                _engine(c, x, f, paint, t, steam, lamps) if k == 0 else _coach(c, x, paint, t, lamps)
        if steam:
            for k in range(14):
                age = k * 0.16 + (t * 1.5) % 0.16
                c.disc(
                    lead + f * 22 - f * age * 46,
                    106 - age * 20,
                    5 + age * 7,
                    (236, 236, 238, max(30, 210 - int(age * 80))),
                )

    thing = f"a {name} steam train" if steam else f"a {name} train"
    words = Wording(
        (
            thing,
            "a steam locomotive with coaches" if steam else f"a {name} passenger train",
            "a train",
            "a railway train",
        ),
        (("passes", "passing"), ("rolls", "rolling"), ("travels", "travelling")),
        (
            "through green hills" if stage.look.weather != "snow" else "through snowy hills",
            "through the countryside",
            "along the railway tracks",
            "past hills and pine trees",
        ),
        ("train", "railway", "hills", name),
        extra=("a railway line in the hills", "train on the tracks")
        + (("white smoke above a locomotive",) if steam else ()),
        titles=("train ride", "railway", "Regional express", "Through the hills"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * speed if tracked else 0.0))


def _coach(c: Canvas, x: float, paint: tuple[int, ...], t: float, lamps: bool) -> None:
    c.rect(x - 35, 118, 70, 32, paint, round_=3)
    c.rect(x - 35, 118, 70, 5, mix(paint, (255, 255, 255), 0.5), round_=2)
    c.rect(x - 35, 143, 70, 4, mix(paint, (0, 0, 0), 0.3))
    for k in range(5):
        c.rect(x - 31 + 13 * k, 126, 10, 10, (255, 224, 150) if lamps else (178, 208, 226), lit=lamps, round_=1.5)
    for px in (-24, -15, 15, 24):
        c.disc(x + px, 151, 4.2, (44, 44, 50))


def _engine(c: Canvas, x: float, f: int, paint: tuple[int, ...], t: float, steam: bool, lamps: bool) -> None:
    if lamps:
        c.glow(x + f * 62, 138, 30, (255, 240, 190), 210)
    if steam:
        c.rect(x - 34 if f > 0 else x + 8, 108, 26, 40, paint, round_=2)
        c.rect(x - 29 if f > 0 else x + 14, 114, 14, 12, (200, 216, 226))
        c.rect(x - 20, 122, 56 if f > 0 else 40, 22, mix(paint, (0, 0, 0), 0.2), round_=8)
        c.rect(x - 36 if f < 0 else x - 8, 122, 44, 22, mix(paint, (0, 0, 0), 0.1), round_=8)
        c.rect(x + f * 22 - 5, 106, 10, 18, (40, 40, 44))
        for px in (-22, -4, 14):
            wheel(c, x + f * px, 147, 8, t * 5 * f)
        return
    nose = [(x - f * 35, 118), (x + f * 22, 118), (x + f * 37, 134), (x + f * 38, 150), (x - f * 35, 150)]
    c.poly(nose, paint)
    c.poly([(x + f * 12, 123), (x + f * 22, 123), (x + f * 31, 134), (x + f * 12, 134)], (150, 190, 214))
    c.rect(x - 35, 143, 70, 4, mix(paint, (0, 0, 0), 0.3))
    c.disc(x + f * 35, 142, 2, (255, 248, 210), lit=lamps)
    for px in (-24, -15, 15, 24):
        c.disc(x + px, 151, 4.2, (44, 44, 50))


@kind("traffic_light", weathers=("clear", "cloudy", "rain", "snow"))
def traffic_light(stage: Stage) -> Scene:
    rng, lamps = stage.rng, stage.look.time != "day"
    stage.sky(0.4, 0.9)
    block = stage.blank(0.3, haze=0.25)
    skyline(block, rng, 180, 120, 480, 0.5 if lamps else 0.08, (140, 132, 128))
    stage.add(block, 0.3)
    order = int(rng.integers(3))
    x = float(rng.choice([110, 160, 210]))
    names = [("red", (255, 50, 40)), ("yellow", (255, 206, 40)), ("green", (50, 232, 110))]
    period = stage.duration / 3

    def draw(c: Canvas, t: float) -> None:
        on = (order + int(t / max(0.1, period))) % 3
        c.rect(x - 4, 132, 8, 60, (74, 78, 82))
        c.rect(x - 26, 14, 52, 126, (30, 32, 36), round_=9)
        c.rect(x - 23, 17, 46, 120, (48, 50, 56), round_=7)
        for k, (_, colour) in enumerate(names):
            y = 38 + 39 * k
            c.disc(x, y, 16.5, (18, 18, 20))
            c.disc(x, y, 14.5, colour if k == on else mix(colour, (16, 16, 18), 0.8), lit=k == on)
            if k == on:
                c.glow(x, y, 44, colour, 130)
                c.glow(x - 4, y - 5, 9, (255, 255, 255), 170)

    words = Wording(
        ("a traffic light", "a traffic signal", "the stoplight"),
        (
            ("changes its colours", "changing its colours"),
            ("switches", "switching"),
            ("shows red, yellow and green", "showing red, yellow and green"),
        ),
        ("on a city street", "at a crossing", "in front of buildings"),
        ("traffic light", "street", "city"),
        extra=("close-up of a traffic light", "traffic signal at an intersection"),
        titles=("crossing", "traffic signal", "Waiting for green"),
    )
    return Scene(stage, words, draw)


@kind("bicycle", times=("day", "day", "dusk", "night"))
def cyclist(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.6)
    stage.land(ridge(rng, 104, 18), (92, 146, 80), (128, 170, 110), depth=0.25)
    row = stage.blank(0.6)
    for k in range(8):
        if k % 3 == 2:
            house(row, 30 + 60 * k, 142, 40, (224, 200, 168), (164, 74, 56), stage.look.time != "day")
        else:
            leafy_tree(row, 30 + 60 * k, 144, float(rng.uniform(44, 66)), (70, 134, 62), rng)
    stage.add(row, 0.6)
    stage.plane(140, (108, 156, 78), (122, 172, 90), depth=1.0)
    stage.plane(156, (176, 160, 136), (190, 176, 150), depth=1.0, cell=4, grain=0.05)
    name, paint = pick_paint(rng, "red", "blue", "green", "yellow", "orange", "black")
    dress = Dress(
        SKINS[int(rng.integers(4))], PAINTS[str(rng.choice(["yellow", "red", "blue", "white", "pink"]))], (44, 52, 84)
    )
    facing, speed = int(rng.choice([-1, 1])), float(rng.uniform(38, 60))
    tracked = rng.random() < 0.6

    def draw(c: Canvas, t: float) -> None:
        x = 160 - c.dx if tracked else 160 + (facing * speed * (t - stage.duration / 2) + 640) % 400 - 240
        c.glow(x, 170, 44, (0, 0, 0), 90)
        spots = bicycle(c, x, 169, 62, paint, t * 5, facing)
        hip = (spots["saddle"][0], spots["saddle"][1] - 4)
        shoulder = (hip[0] + facing * 18, hip[1] - 32)
        for key, tone in (("other_pedal", 0.3), ("pedal", 0.0)):
            foot = spots[key]
            knee = ((hip[0] + foot[0]) / 2 + facing * 13, (hip[1] + foot[1]) / 2 - 5)
            c.line([hip, knee, foot], 7, mix(dress.legs, (0, 0, 0), tone))
        c.line([hip, shoulder], 13, dress.top)
        c.line(
            [
                shoulder,
                ((shoulder[0] + spots["bar"][0]) / 2 - facing * 2, (shoulder[1] + spots["bar"][1]) / 2 + 6),
                spots["bar"],
            ],
            5,
            dress.skin,
        )
        c.disc(shoulder[0] + facing * 6, shoulder[1] - 14, 7.5, dress.skin)
        c.oval(shoulder[0] + facing * 5, shoulder[1] - 18, 8.5, 5, paint)

    words = Wording(
        (f"a cyclist on a {name} bicycle", f"a person on a {name} bike", "a cyclist", "somebody on a bicycle"),
        (("rides", "riding"), ("cycles", "cycling"), ("pedals", "pedalling")),
        ("along a path", "past trees and houses", "through a village", "through the park"),
        ("bicycle", "cyclist", "sport"),
        extra=("a bike ride", "cycling outdoors"),
        titles=("bike tour", "cycling", "Sunday ride"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * speed if tracked else 0.0))
