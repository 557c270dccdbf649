"""Animals on land and in the air."""

from __future__ import annotations

import math

from demo.canvas import Canvas, Colour, mix, rotated
from demo.figures import animal
from demo.props import leafy_tree, pick_paint
from demo.scenes.registry import kind
from demo.stage import Camera, Scene, Stage, ridge
from demo.wording import Wording

COATS: dict[str, Colour] = {
    "brown": (138, 90, 54),
    "black": (44, 42, 46),
    "white": (238, 234, 226),
    "grey": (140, 140, 146),
    "golden": (214, 160, 86),
}


def _meadow(stage: Stage) -> None:
    stage.sky(0.6, 0.6)
    stage.land(ridge(stage.rng, 96, 22), (90, 136, 96), (128, 164, 130), depth=0.2)
    trees = stage.blank(0.5)
    for _ in range(7):
        leafy_tree(
            trees, float(stage.rng.uniform(20, 460)), 128, float(stage.rng.uniform(34, 52)), (66, 126, 60), stage.rng
        )
    stage.add(trees, 0.5)
    stage.plane(124, (84, 150, 62), (132, 184, 94), depth=1.0, cell=8, grain=0.12)
    fence = stage.blank(0.8)
    if stage.rng.random() < 0.5:
        for k in range(16):
            fence.rect(k * 30, 116, 4, 24, (176, 140, 100))
        fence.rect(0, 121, 480, 3, (176, 140, 100))
        fence.rect(0, 130, 480, 3, (160, 126, 90))
        stage.add(fence, 0.8)


def _walker(
    stage: Stage,
    what: str,
    names: tuple[str, ...],
    coats: tuple[str, ...],
    size: float,
    verbs: tuple[tuple[str, str], ...],
    places: tuple[str, ...],
) -> Scene:
    rng = stage.rng
    _meadow(stage)
    name = str(rng.choice(coats))
    facing, speed = int(rng.choice([-1, 1])), float(rng.uniform(22, 34))
    tracked, count = rng.random() < 0.5, 2 if what in ("cow", "horse") and rng.random() < 0.35 else 1

    def draw(c: Canvas, t: float) -> None:
        x = 160 - c.dx if tracked else 160 + facing * speed * (t - stage.duration / 2)
        for k in reversed(range(count)):
            px, ground, s = x - facing * k * size * 1.5, 166 - 12 * k, size * (1 - 0.18 * k)
            c.oval(px, ground + 1, s * 0.9, 3.5, (0, 0, 0, 80), lit=True)
            animal(c, (px, ground), s, t * 6 + k, what, COATS[name], facing)

    if count == 2:
        verbs = tuple(
            (g[:-3] if g != "trotting" else "trot", g) for _, g in verbs if g.split()[0] in ("walking", "trotting")
        )
        subjects: tuple[str, ...] = (f"two {name} {what}s", f"two {what}s", f"{what}s")
        verbs = tuple((v, g) for v, g in verbs) or (("walk", "walking"),)
    else:
        article = "a"
        subjects = (f"{article} {name} {what}", f"{article} {what}", *names)
    words = Wording(
        subjects,
        verbs,
        places,
        (what, "animal", "meadow"),
        extra=(f"a {what} outdoors", f"{name} {what} on the grass"),
        titles=(f"my {what}", f"{what.capitalize()}", f"{what} in the meadow"),
    )
    return Scene(stage, words, draw, Camera(speed=facing * speed * 1.2 if tracked else 0))


@kind("dog")
def dog(stage: Stage) -> Scene:
    return _walker(
        stage,
        "dog",
        ("a pet dog", "a puppy"),
        ("brown", "black", "white", "golden"),
        52,
        (("walks", "walking"), ("trots", "trotting")),
        ("across a meadow", "on the grass", "through a field"),
    )


@kind("cat")
def cat(stage: Stage) -> Scene:
    return _walker(
        stage,
        "cat",
        ("a pet cat", "a kitten"),
        ("black", "white", "grey", "golden"),
        50,
        (("walks", "walking"), ("strolls", "strolling")),
        ("across a lawn", "on the grass", "through the garden"),
    )


@kind("horse")
def horse(stage: Stage) -> Scene:
    return _walker(
        stage,
        "horse",
        ("a pony", "a stallion"),
        ("brown", "black", "white"),
        66,
        (("trots", "trotting"), ("walks", "walking")),
        ("across a meadow", "in a pasture", "on a green field"),
    )


@kind("cow", weathers=("clear", "cloudy", "fog", "rain"))
def cow(stage: Stage) -> Scene:
    return _walker(
        stage,
        "cow",
        ("a dairy cow",),
        ("brown", "white"),
        58,
        (("walks", "walking"), ("wanders", "wandering")),
        ("in a pasture", "across a meadow", "on a farm"),
    )


@kind("birds", weathers=("clear", "cloudy", "fog", "snow"))
def birds(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.5, 0.7)
    stage.land(ridge(rng, 92, 52, 9), (96, 108, 136), (188, 198, 214), depth=0.12)
    stage.land(ridge(rng, 132, 30, 7), (64, 88, 104), (104, 124, 146), depth=0.3)
    stage.land(ridge(rng, 160, 14), (44, 78, 58), (70, 106, 76), depth=0.6)
    count, facing = int(rng.integers(5, 14)), int(rng.choice([-1, 1]))
    white = rng.random() < 0.3
    ink: Colour = (244, 244, 246) if white else (36, 38, 48)
    flock = [(k, float(rng.uniform(-5, 5)), float(rng.uniform(0, 6))) for k in range(count)]
    vee, speed = rng.random() < 0.5, float(rng.uniform(14, 26))

    def draw(c: Canvas, t: float) -> None:
        for k, jitter, beat in flock:
            row = (k + 1) // 2
            x = 200 + facing * (speed * (t - stage.duration / 2)) - facing * (row * 19 if vee else (k * 47) % 190 - 60)
            y = 58 + ((1 if k % 2 else -1) * row * 8.5 if vee else (k * 29) % 66 - 30) + jitter
            u, flap = 10.0 + (0 if vee else k % 4), math.sin(t * 7 + beat)
            c.poly(
                [
                    (x - u * 1.5, y - u * (0.7 * flap)),
                    (x - u * 0.5, y - u * 0.42 * flap - 1),
                    (x, y + 1.5),
                    (x - u * 0.5, y - u * 0.2 * flap + 1.6),
                ],
                ink,
            )
            c.poly(
                [
                    (x + u * 1.5, y - u * (0.7 * flap)),
                    (x + u * 0.5, y - u * 0.42 * flap - 1),
                    (x, y + 1.5),
                    (x + u * 0.5, y - u * 0.2 * flap + 1.6),
                ],
                ink,
            )
            c.oval(x, y + 1, u * 0.42, u * 0.17, ink)

    words = Wording(
        ("white birds" if white else "birds", "wild geese" if vee else "many birds", "a group of birds"),
        (("fly", "flying"), ("cross the sky", "crossing the sky")),
        (
            "over mountains",
            "above a mountain range",
            "in the sky",
            "in formation over the mountains" if vee else "past the mountains",
        ),
        ("birds", "mountains", "sky"),
        extra=("a flock of birds over mountains", "a mountain landscape with birds"),
        titles=("bird migration", "Mountain view", "geese"),
    )
    return Scene(stage, words, draw, Camera(speed=float(rng.choice([-8, 0, 8]))))


@kind("butterflies", times=("day",), weathers=("clear", "cloudy"))
def butterflies(stage: Stage) -> Scene:
    rng = stage.rng
    stage.sky(0.4, 0.8)
    stage.land(ridge(rng, 92, 10), (92, 150, 80), (150, 190, 120), depth=0.3)
    stage.plane(104, (58, 128, 50), (112, 172, 84), depth=1.0, cell=6, grain=0.16)
    flower_name, petal = pick_paint(rng, "red", "yellow", "purple", "pink", "white", "orange")
    wing_name, wing = pick_paint(rng, "orange", "blue", "yellow", "white", "purple")
    plants = sorted(
        ((float(rng.uniform(-5, 325)), float(rng.uniform(112, 186)), float(rng.uniform(0, 6))) for _ in range(26)),
        key=lambda p: p[1],
    )
    flyers = [
        (float(rng.uniform(60, 260)), float(rng.uniform(40, 100)), float(rng.uniform(0, 6)), float(rng.uniform(10, 16)))
        for _ in range(int(rng.integers(1, 5)))
    ]

    def draw(c: Canvas, t: float) -> None:
        for x, y, phase in plants:
            size = 3.5 + (y - 105) / 80 * 8
            hx, hy = x + 2.5 * math.sin(t * 1.2 + phase), y - size * 3
            c.line([(x, y + 4), ((x + hx) / 2 + 1, (y + hy) / 2), (hx, hy)], size * 0.22, (44, 108, 42))
            for k in range(6):
                px, py = rotated([(size * 0.72, 0)], k * math.pi / 3 + phase, (hx, hy))[0]
                c.disc(px, py, size * 0.5, mix(petal, (0, 0, 0), 0.1 * (k % 2)))
            c.disc(hx, hy, size * 0.42, (250, 210, 60) if flower_name != "yellow" else (150, 90, 40))
        for x, y, phase, u in flyers:
            bx, by = x + 46 * math.sin(t * 0.7 + phase), y + 22 * math.sin(t * 1.3 + phase * 2)
            flap = 0.35 + 0.65 * abs(math.sin(t * 8 + phase))
            for side in (-1, 1):
                c.oval(bx + side * u * 0.62 * flap, by - u * 0.4, u * 0.62 * flap, u * 0.7, mix(wing, (0, 0, 0), 0.35))
                c.oval(bx + side * u * 0.6 * flap, by - u * 0.4, u * 0.46 * flap, u * 0.54, wing)
                c.oval(
                    bx + side * u * 0.45 * flap, by + u * 0.45, u * 0.42 * flap, u * 0.46, mix(wing, (0, 0, 0), 0.12)
                )
            c.line([(bx, by - u * 0.7), (bx, by + u * 0.6)], u * 0.17, (40, 30, 28))

    one = len(flyers) == 1
    words = Wording(
        (
            f"{'a' if one else 'some'} {wing_name} butterfl{'y' if one else 'ies'}",
            "a butterfly" if one else "butterflies",
        ),
        (("flutters", "fluttering"), ("flies", "flying")) if one else (("flutter", "fluttering"), ("fly", "flying")),
        (f"over {flower_name} flowers", "over a flower meadow", "among blossoms"),
        ("butterfly", "flowers", "meadow"),
        extra=(f"{flower_name} flowers in a meadow", "spring flowers and butterflies", "insects over flowers"),
        titles=("butterflies", "Garden in spring", "flower meadow"),
    )
    return Scene(stage, words, draw, Camera(zoom_to=float(rng.choice([1.0, 1.3]))))
