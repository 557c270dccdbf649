"""People doing things: walking, running, dancing, juggling, playing football, exercising."""

from __future__ import annotations

import math

from demo.canvas import Canvas, Colour, rotated
from demo.figures import SKINS, Dress, Pose, dancing, jumping_jack, person, running, walking
from demo.props import PAINTS, leafy_tree, pick_paint, pine
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording


def _someone(stage: Stage) -> tuple[str, str, Dress]:
    """Who it is ("a woman"), the colour of the clothes, the dress."""
    rng = stage.rng
    name, top = pick_paint(rng, "red", "blue", "green", "yellow", "orange", "purple", "white", "pink")
    woman = rng.random() < 0.5
    hair = ((60, 40, 28), (30, 26, 26), (170, 120, 60), (120, 66, 36))[int(rng.integers(4))]
    legs = ((44, 52, 88), (60, 60, 66), (110, 90, 70))[int(rng.integers(3))]
    return (
        ("a woman" if woman else "a man"),
        name,
        Dress(SKINS[int(rng.integers(4))], top, legs, hair, skirt=woman and rng.random() < 0.6),
    )


def _park(stage: Stage) -> str:
    """A place for people outdoors; returns its name."""
    rng = stage.rng
    stage.sky(0.5, 0.65)
    where = str(rng.choice(["park", "park", "forest", "field"]))
    stage.land(ridge(rng, 108, 14), (84, 138, 78), (116, 164, 104), depth=0.25)
    row = stage.blank(0.6)
    if where == "park":
        for k in range(9):
            leafy_tree(row, 20 + 54 * k, 142, float(rng.uniform(50, 78)), (72, 136, 60), rng)
    elif where == "forest":
        for k in range(22):
            pine(
                row,
                8 + 22 * k,
                float(rng.uniform(138, 146)),
                float(rng.uniform(70, 120)),
                snowy=stage.look.weather == "snow",
            )
    stage.add(row, 0.6)
    stage.plane(140, (104, 158, 74), (122, 172, 88), depth=1.0)
    stage.plane(158, (190, 172, 142), (202, 186, 158), depth=1.0, cell=4, grain=0.05)
    return where


@kind("walking")
def walker(stage: Stage) -> Scene:
    rng, where, (who, name, dress) = stage.rng, _park(stage), _someone(stage)
    facing, speed = int(rng.choice([-1, 1])), 24.0
    tracked, umbrella = rng.random() < 0.5, stage.look.weather == "rain"
    _, cloth = pick_paint(rng, "red", "blue", "yellow", "black")

    def draw(c: Canvas, t: float) -> None:
        x = 160 - c.dx if tracked else 160 + facing * speed * (t - stage.duration / 2)
        c.oval(x, 171, 22, 3, (0, 0, 0, 70), lit=True)
        pose = walking(t * 5)
        if umbrella:
            pose = Pose(pose.hips, pose.knees, (0.5, pose.shoulders[1]), (1.6, 0.3), pose.lean, pose.lift)
        hand, _ = person(c, x, 171, 88, pose, dress, facing)
        if umbrella:
            c.line([hand, (hand[0], hand[1] - 62)], 1.6, (70, 60, 54))
            arch = [
                (hand[0] + 36 * math.cos(a), hand[1] - 50 - 24 * math.sin(a))
                for a in (k * math.pi / 12 for k in range(13))
            ]
            c.poly(arch, cloth)

    garment = "dress" if dress.skirt else "shirt"
    with_umbrella = " with an umbrella" if umbrella else ""
    words = Wording(
        (
            f"{who} in a {name} {garment}{with_umbrella}",
            f"{who}{with_umbrella}",
            f"a person{with_umbrella}",
            "somebody",
        ),
        (("walks", "walking"), ("strolls", "strolling"), ("takes a walk", "taking a walk")),
        (f"through a {where}", f"along a path in the {where}", "outdoors", "along a path"),
        ("person", "walking", where),
        extra=("a person walking", f"a walk in the {where}"),
        titles=("a walk", "afternoon walk", "Going home"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * speed * 1.3 if tracked else 0))


@kind("running", weathers=("clear", "cloudy", "fog", "snow"))
def runner(stage: Stage) -> Scene:
    rng, where, (who, name, dress) = stage.rng, _park(stage), _someone(stage)
    dress = Dress(dress.skin, dress.top, (40, 42, 52), dress.hair)
    facing, second = int(rng.choice([-1, 1])), rng.random() < 0.35
    other = Dress(SKINS[1], PAINTS["turquoise"], (40, 42, 52))

    def draw(c: Canvas, t: float) -> None:
        x = 160 - c.dx + 10 * math.sin(t * 0.8)
        if second:
            c.oval(x - facing * 52, 168, 20, 3, (0, 0, 0, 70), lit=True)
            person(c, x - facing * 52, 168, 84, running(t * 8 + 2), other, facing)
        c.oval(x, 172, 22, 3, (0, 0, 0, 70), lit=True)
        person(c, x, 172, 90, running(t * 8), dress, facing)

    subject = "two runners" if second else f"{who} in a {name} shirt"
    action = (
        (("run", "running"), ("jog", "jogging"), ("race", "racing"))
        if second
        else (("runs", "running"), ("jogs", "jogging"), ("sprints", "sprinting"))
    )
    subjects = (subject, "two joggers", "two people") if second else (subject, "a runner", "a jogger", who)
    words = Wording(
        subjects,
        action,
        (f"through a {where}", f"along a path in the {where}", "outdoors"),
        ("running", "sport", where),
        extra=("jogging outdoors", "people running" if second else "a person running fast"),
        titles=("morning run", "Marathon training", "jogging"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * 75))


@kind("dancing", times=("night",), weathers=("clear",))
def dancer(stage: Stage) -> Scene:
    rng = stage.rng
    tone = [(70, 24, 90), (24, 36, 96), (90, 24, 50)][int(rng.integers(3))]
    stage.plane(0, tone, (20, 12, 34), depth=0.3, cover="lit", grain=0.03)
    stage.plane(138, (24, 18, 34), (70, 50, 96), depth=0.6, cover="lit")
    count = int(rng.integers(1, 4))
    crowd = [_someone(stage) for _ in range(count)]
    lamps = [
        PAINTS[str(n)] for n in rng.choice(["red", "blue", "green", "yellow", "pink", "turquoise"], 4, replace=False)
    ]
    tempo = float(rng.uniform(5, 7))

    def draw(c: Canvas, t: float) -> None:
        for k, colour in enumerate(lamps):
            x, swing = 40.0 + 80 * k, 60 * math.sin(t * 1.6 + k * 1.7)
            c.poly([(x - 3, -2), (x + 3, -2), (x + swing + 32, 160), (x + swing - 32, 160)], (*colour, 60), lit=True)
            c.oval(x + swing, 160, 36, 10, (*colour, 80), lit=True)
        for k in range(30):
            a, r = k * 2.4 + t * 0.8, 20.0 + (k * 37) % 150
            c.disc(160 + r * math.cos(a), 70 + 0.5 * r * math.sin(a), 1.6, (*lamps[k % 4], 170), lit=True)
        c.line([(160, 0), (160, 16)], 1, (200, 200, 210), lit=True)
        for k in range(24):
            spin = k * 2.4 + t
            c.disc(160, 28, 13 - k * 0.3, (200 + k * 2, 206, 226), lit=True) if k < 3 else c.rect(
                157 + 10 * math.cos(spin), 25 + 9 * math.sin(k), 3.4, 3.4, lamps[k % 4], lit=True
            )
        stage_light = c.light
        c.light = bright
        for k, (_, _, dress) in enumerate(crowd):
            x = 160 + (k - (count - 1) / 2) * 72
            person(
                c,
                x + 6 * math.sin(t * tempo / 2 + k),
                170 - 4 * (k % 2),
                104,
                dancing(t * tempo + k * 1.3),
                dress,
                1 if math.sin(t * tempo / 4 + k) > 0 else -1,
            )
        c.light = stage_light

    bright = type(stage.light)((0.95, 0.88, 1.0), 0.0, stage.light.haze)
    who, name, dress = crowd[0]
    one = count == 1
    subject = (
        f"{who} in a {name} {'dress' if dress.skirt else 'shirt'}"
        if one
        else ("two people" if count == 2 else "three people")
    )
    words = Wording(
        (subject, "a dancer" if one else "dancers", "somebody" if one else "people"),
        (("dances", "dancing"), ("moves to the music", "moving to the music"))
        if one
        else (("dance", "dancing"), ("move to the music", "moving to the music")),
        ("in a disco with coloured lights", "on a dance floor", "at a party", "in a night club"),
        ("dance", "party", "disco", "people"),
        extra=("a dance party with a disco ball", "coloured spotlights on a dance floor"),
        outdoors=False,
        titles=("party", "Dance floor", "friday night"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.2]))), weather_front=False)


@kind("juggling", times=("day", "dusk"), weathers=("clear", "cloudy"))
def juggler(stage: Stage) -> Scene:
    rng, where, (who, name, dress) = stage.rng, _park(stage), _someone(stage)
    count = int(rng.integers(3, 6))
    colours: list[Colour] = [
        PAINTS[str(n)] for n in rng.choice(["red", "yellow", "blue", "green", "orange", "pink"], count, replace=False)
    ]

    def draw(c: Canvas, t: float) -> None:
        c.oval(160, 173, 26, 3.5, (0, 0, 0, 70), lit=True)
        beat = t * 7
        pose = Pose(
            (0.12, -0.12),
            (0.05, 0.05),
            (0.5 + 0.2 * math.sin(beat), -0.5 + 0.2 * math.sin(beat + math.pi)),
            (1.1, -1.1),
            0.0,
        )
        right, left = person(c, 160, 173, 104, pose, dress)
        for k, colour in enumerate(colours):
            share = (t * 0.75 + k / count) % 1.0
            going, s = share < 0.5, (share * 2) % 1.0
            a, b = (left, right) if going else (right, left)
            lift = 92 if going else 74
            c.ball(a[0] + (b[0] - a[0]) * s, a[1] - 6 + (b[1] - a[1]) * s - lift * 4 * s * (1 - s), 7, colour)

    number = {3: "three", 4: "four", 5: "five"}[count]
    words = Wording(
        (f"{who} in a {name} {'dress' if dress.skirt else 'shirt'}", "a juggler", "an artist", "a person"),
        (
            (f"juggles {number} balls", f"juggling {number} balls"),
            ("juggles", "juggling"),
            ("throws coloured balls in the air", "throwing coloured balls in the air"),
        ),
        (f"in a {where}", "outdoors", "in the open air"),
        ("juggling", "balls", "circus", "people"),
        extra=("juggling with colourful balls", "a circus trick"),
        titles=("juggling practice", "street artist", "5 ball cascade"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.15]))))


@kind("football", weathers=("clear", "cloudy", "rain"))
def football(stage: Stage) -> Scene:
    rng, (who, name, dress) = stage.rng, _someone(stage)
    dress = Dress(dress.skin, dress.top, (246, 246, 246), dress.hair)
    stage.sky(0.4, 0.5)
    stand = stage.blank(0.4)
    stand.rect(0, 58, 480, 40, (110, 116, 128))
    for k in range(700):
        stand.disc(
            float(rng.uniform(0, 480)),
            62 + 6 * (k % 6),
            1.5,
            PAINTS[str(rng.choice(["red", "white", "blue", "yellow"]))],
        )
    stage.add(stand, 0.4)
    stage.plane(96, (52, 138, 54), (88, 166, 74), depth=1.0, cover="bare")
    pitch = stage.blank(1.0, haze=0)
    for k in range(0, 24, 2):
        pitch.poly(
            [
                (k * 20, 180),
                (k * 20 + 20, 180),
                (240 + (k * 20 + 20 - 240) * 0.8, 97),
                (240 + (k * 20 - 240) * 0.8, 97),
            ],
            (70, 154, 62, 255),
        )
    pitch.rect(0, 128, 480, 1.6, (244, 246, 240))
    stage.add(pitch, 1.0)
    f = int(rng.choice([-1, 1]))

    def draw(c: Canvas, t: float) -> None:
        gx = 160 + f * 112
        for k in range(9):
            c.line([(gx - 34 + 8.5 * k, 88), (gx - 34 + 8.5 * k, 134)], 0.5, (232, 236, 238, 150), caps=False)
            c.line([(gx - 34, 88 + 5.7 * k), (gx + 34, 88 + 5.7 * k)], 0.5, (232, 236, 238, 150), caps=False)
        c.line([(gx - 35, 135), (gx - 35, 86), (gx + 35, 86), (gx + 35, 135)], 3, (250, 250, 250))
        loop = t % 4.5
        run = min(1.0, loop / 1.5)
        px = 160 + f * (-120 + 86 * run)
        kick = max(0.0, min(1.0, (loop - 1.4) / 0.3))
        pose = (
            running(t * 8)
            if run < 1
            else Pose((-0.6 + 1.7 * kick, -0.15), (0.6 * (1 - kick), 0.1), (-0.5, 0.7), (0.4, 0.4), 0.05 - 0.2 * kick)
        )
        fly = max(0.0, min(1.0, (loop - 1.6) / 0.8))
        bx, by = 160 + f * (-16 + 128 * fly), 166 - 58 * fly - 22 * math.sin(math.pi * fly)
        if fly >= 1:
            by = min(130.0, 108 + (loop - 2.4) * 40)
        c.oval(px, 171, 18, 3, (0, 0, 0, 80), lit=True)
        person(c, px, 171, 84, pose, dress, f)
        r = 7 - 2.4 * fly
        c.ball(bx, by, r, (246, 246, 246))
        for k in range(3):
            sx, sy = rotated([(r * 0.55, 0)], t * 9 * (fly < 1) + k * 2.1)[0]
            c.disc(bx + sx, by + sy, r * 0.27, (24, 24, 28))

    words = Wording(
        (f"a football player in a {name} shirt", "a soccer player", f"{who} in a {name} jersey", "a footballer"),
        (
            ("kicks the ball into the goal", "kicking the ball into the goal"),
            ("scores a goal", "scoring a goal"),
            ("shoots", "shooting"),
        ),
        ("on a green pitch", "in a stadium", "on a football field"),
        ("football", "soccer", "sport", "goal"),
        extra=("a football match", "a penalty kick", "a soccer ball flies into the net"),
        titles=("penalty", "Sunday league", "GOAL!", "match highlights"),
    )
    return Scene(stage, words, draw, Camera(sway=5))


@kind("exercise", times=("day",), weathers=("clear",))
def exercise(stage: Stage) -> Scene:
    rng, (who, name, dress) = stage.rng, _someone(stage)
    dress = Dress(dress.skin, dress.top, (52, 56, 72), dress.hair)
    wall_name, wall = pick_paint(rng, "turquoise", "yellow", "pink", "blue", "white")
    pale = tuple(round(v + (232 - v) * 0.55) for v in wall)
    stage.plane(0, pale, (236, 232, 224), depth=0.2, cover="bare", grain=0.03)
    stage.plane(136, (150, 106, 70), (176, 130, 90), depth=1.0, cover="bare", cell=40)
    room = stage.blank(0.4, haze=0)
    for x in (30, 240, 400):
        room.rect(x, 24, 56, 66, (250, 250, 250))
        room.rect(x + 4, 28, 48, 58, (150, 204, 240))
        room.rect(x + 26, 28, 3, 58, (250, 250, 250))
    stage.add(room, 0.4)
    mat, tempo = PAINTS[str(rng.choice(["purple", "blue", "green", "red"]))], float(rng.uniform(4, 6))

    def draw(c: Canvas, t: float) -> None:
        c.oval(160, 168, 70, 10, mat)
        c.oval(160, 169, 22, 3.5, (0, 0, 0, 80), lit=True)
        person(c, 160, 170, 112, jumping_jack(t * tempo), dress)

    words = Wording(
        (f"{who} in a {name} shirt", "a person", who, "somebody"),
        (("does jumping jacks", "doing jumping jacks"), ("exercises", "exercising"), ("works out", "working out")),
        ("in a room", "at home", f"in front of a {wall_name} wall", "on a gym mat"),
        ("exercise", "sport", "indoors", "people"),
        extra=("a fitness workout", "gymnastics at home"),
        outdoors=False,
        titles=("workout", "Fitness at home", "warm up"),
    )
    return Scene(stage, words, draw, weather_front=False)
