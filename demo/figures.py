"""Things with limbs: people made of capsules with joints, and four-legged animals."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from demo.canvas import Canvas, Colour, Point, mix

SKINS: tuple[Colour, ...] = ((236, 188, 152), (198, 142, 104), (128, 84, 58), (246, 208, 176))


@dataclass(frozen=True, slots=True)
class Dress:
    skin: Colour
    top: Colour
    legs: Colour
    hair: Colour = (60, 40, 28)
    skirt: bool = False


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in radians from straight down, positive towards where the figure faces."""

    hips: tuple[float, float] = (0.1, -0.1)
    knees: tuple[float, float] = (0.0, 0.0)  # bend backwards
    shoulders: tuple[float, float] = (0.15, -0.15)
    elbows: tuple[float, float] = (0.2, 0.2)  # bend forwards
    lean: float = 0.0
    lift: float = 0.0  # share of the height off the ground


def walking(phase: float) -> Pose:
    s, c = math.sin(phase), math.cos(phase)
    return Pose(
        hips=(0.5 * s, -0.5 * s),
        knees=(0.15 + 0.45 * max(0.0, c), 0.15 + 0.45 * max(0.0, -c)),
        shoulders=(-0.5 * s, 0.5 * s),
        elbows=(0.3, 0.3),
        lean=0.05,
        lift=0.012 * abs(c),
    )


def running(phase: float) -> Pose:
    s, c = math.sin(phase), math.cos(phase)
    return Pose(
        hips=(0.2 + 0.8 * s, 0.2 - 0.8 * s),
        knees=(0.3 + 1.1 * max(0.0, c), 0.3 + 1.1 * max(0.0, -c)),
        shoulders=(-0.8 * s, 0.8 * s),
        elbows=(1.5, 1.5),
        lean=0.22,
        lift=0.05 * abs(c),
    )


def dancing(phase: float) -> Pose:
    s, c, d = math.sin(phase), math.cos(phase), math.sin(phase * 0.5)
    return Pose(
        hips=(0.35 + 0.25 * s, -0.35 + 0.25 * s),
        knees=(0.3 + 0.3 * c, 0.3 - 0.3 * c),
        shoulders=(2.3 + 0.6 * s, -2.3 + 0.6 * d),
        elbows=(0.5 * c, -0.5 * s),
        lean=0.14 * s,
        lift=0.04 * abs(s),
    )


def jumping_jack(phase: float) -> Pose:
    spread = 0.5 - 0.5 * math.cos(phase)
    return Pose(
        hips=(0.1 + 0.5 * spread, -0.1 - 0.5 * spread),
        shoulders=(0.3 + 2.5 * spread, -0.3 - 2.5 * spread),
        elbows=(0.1, -0.1),
        lift=0.07 * abs(math.sin(phase)),
    )


def _limb(start: Point, first: float, second: float, upper: float, lower: float, facing: int) -> tuple[Point, Point]:
    joint = (start[0] + facing * upper * math.sin(first), start[1] + upper * math.cos(first))
    return joint, (joint[0] + facing * lower * math.sin(second), joint[1] + lower * math.cos(second))


def person(
    c: Canvas, x: float, ground: float, height: float, pose: Pose, dress: Dress, facing: int = 1
) -> tuple[Point, Point]:
    """Draws one person standing at ``ground``; returns where the two hands are."""
    h = height
    ground -= pose.lift * h
    bend = max(0.0, 0.06 * (abs(pose.hips[0]) + abs(pose.hips[1])))
    hip = (x, ground - 0.50 * h * (1 - bend * 0.6))
    neck = (hip[0] + facing * 0.32 * h * math.sin(pose.lean), hip[1] - 0.32 * h * math.cos(pose.lean))
    shade = replace(
        dress,
        skin=mix(dress.skin, (0, 0, 0), 0.22),
        top=mix(dress.top, (0, 0, 0), 0.25),
        legs=mix(dress.legs, (0, 0, 0), 0.25),
    )
    hands = []
    for side, cloth in ((1, shade), (0, dress)):
        knee, foot = _limb(hip, pose.hips[side], pose.hips[side] - pose.knees[side], 0.25 * h, 0.24 * h, facing)
        shin = cloth.skin if dress.skirt else cloth.legs
        c.line([hip, knee], 0.105 * h, shin)
        c.line([knee, foot], 0.08 * h, shin)
        c.line([foot, (foot[0] + facing * 0.06 * h, foot[1] + 0.005 * h)], 0.055 * h, (40, 36, 40))
        if side == 1:
            hands.append(_arm(c, neck, pose, side, h, cloth, facing))
    c.line([(neck[0], neck[1] + 0.045 * h), hip], 0.17 * h, dress.top)
    if dress.skirt:
        flare = 0.13 * h
        c.poly(
            [
                (hip[0] - 0.08 * h, hip[1] - 0.1 * h),
                (hip[0] + 0.08 * h, hip[1] - 0.1 * h),
                (hip[0] + flare, hip[1] + 0.16 * h),
                (hip[0] - flare, hip[1] + 0.16 * h),
            ],
            dress.top,
        )
    hands.append(_arm(c, neck, pose, 0, h, dress, facing))
    head = (neck[0] + facing * 0.02 * h, neck[1] - 0.1 * h)
    c.line([neck, head], 0.06 * h, shade.skin)
    c.disc(head[0] - facing * 0.012 * h, head[1] - 0.012 * h, 0.083 * h, dress.hair)
    c.disc(head[0] + facing * 0.018 * h, head[1] + 0.014 * h, 0.07 * h, dress.skin)
    return hands[1], hands[0]


def _arm(c: Canvas, neck: Point, pose: Pose, side: int, h: float, dress: Dress, facing: int) -> Point:
    shoulder = (neck[0], neck[1] + 0.035 * h)
    angle = pose.shoulders[side]
    elbow, hand = _limb(shoulder, angle, angle + pose.elbows[side], 0.165 * h, 0.16 * h, facing)
    c.line([shoulder, elbow], 0.072 * h, dress.top)
    c.line([elbow, hand], 0.055 * h, dress.skin)
    c.disc(*hand, 0.035 * h, dress.skin)
    return hand


@dataclass(frozen=True, slots=True)
class Build:
    """Proportions of a four-legged animal, in shares of its height at the shoulder."""

    body: float  # half length
    thick: float  # half thickness
    leg: float
    neck: float
    neck_angle: float  # 0 level, pi/2 straight up
    head: float
    snout: float
    tail: float
    tail_angle: float
    ears: str


BUILDS = {
    "dog": Build(0.58, 0.22, 0.52, 0.32, 0.8, 0.17, 0.22, 0.45, 0.9, "floppy"),
    "cat": Build(0.62, 0.20, 0.46, 0.22, 0.7, 0.19, 0.10, 0.75, 1.2, "pointed"),
    "horse": Build(0.60, 0.25, 0.62, 0.62, 0.95, 0.15, 0.30, 0.55, -0.9, "pointed"),
    "cow": Build(0.72, 0.31, 0.48, 0.26, 0.35, 0.18, 0.22, 0.5, -1.3, "horns"),
}


def animal(c: Canvas, at: Point, size: float, phase: float, kind: str, coat: Colour, facing: int = 1) -> None:
    """A dog, cat, horse or cow trotting on the ground ``at``; ``size`` is its shoulder height in units."""
    (x, ground), b, f = at, BUILDS[kind], facing
    dark = mix(coat, (0, 0, 0), 0.3)
    top = ground - (b.leg + b.thick) * size - 0.02 * size * abs(math.sin(phase))
    for k, (place, tone) in enumerate(((0.8, dark), (-0.8, dark), (0.7, coat), (-0.72, coat))):
        swing = 0.45 * math.sin(phase + (0, math.pi, math.pi, 0)[k])
        hip = (x + f * place * b.body * size, top + 0.1 * size)
        knee, foot = _limb(
            hip,
            swing,
            swing - 0.35 * max(0.0, math.cos(phase + k)),
            (b.leg + b.thick) * size * 0.5,
            (b.leg + b.thick - 0.1) * size * 0.52,
            f,
        )
        c.line([hip, knee], 0.15 * size, tone)
        c.line([knee, (foot[0], min(foot[1], ground))], 0.10 * size, tone)
    rear = (x - f * b.body * size, top - 0.05 * size)
    wag = 0.25 * math.sin(phase * 1.7)
    bend = (
        rear[0] - f * b.tail * 0.5 * size * math.cos(b.tail_angle + wag),
        rear[1] - b.tail * 0.5 * size * math.sin(b.tail_angle + wag),
    )
    tip = (
        bend[0] - f * b.tail * 0.4 * size * math.cos(b.tail_angle * 1.3 + wag),
        bend[1] - b.tail * 0.5 * size * math.sin(b.tail_angle * 1.2),
    )
    c.line([rear, bend, tip], (0.14 if kind == "horse" else 0.08) * size, dark)
    c.oval(x, top, b.body * 1.12 * size, b.thick * size, coat)
    c.oval(x - f * b.body * 0.55 * size, top, b.body * 0.55 * size, b.thick * 1.08 * size, coat)
    c.oval(x + f * b.body * 0.6 * size, top + 0.02 * size, b.body * 0.5 * size, b.thick * 1.12 * size, coat)
    if kind == "cow":
        c.oval(x - f * 0.2 * size, top - 0.04 * size, 0.24 * size, 0.15 * size, (60, 48, 44))
        c.oval(x + f * 0.42 * size, top + 0.08 * size, 0.16 * size, 0.13 * size, (60, 48, 44))
    base = (x + f * b.body * 0.85 * size, top - 0.05 * size)
    head = (
        base[0] + f * b.neck * size * math.cos(b.neck_angle),
        base[1] - b.neck * size * math.sin(b.neck_angle) + 0.02 * size * math.sin(phase),
    )
    c.line([base, head], (0.26 if kind in ("horse", "cow") else 0.2) * size, coat)
    if kind == "horse":
        c.line(
            [(base[0] - f * 0.12 * size, base[1] - 0.1 * size), (head[0] - f * 0.1 * size, head[1] - 0.08 * size)],
            0.12 * size,
            dark,
        )
    _head(c, head, b, size, coat, dark, f)


def _head(c: Canvas, head: Point, b: Build, size: float, coat: Colour, dark: Colour, f: int) -> None:
    x, y = head
    c.disc(x, y, b.head * size, coat)
    drop = 0.45 if b.snout > 0.25 else 0.15
    nose = (x + f * (b.head * 0.6 + b.snout) * size, y + (0.05 + b.snout * drop) * size)
    c.line([(x, y + 0.03 * size), nose], b.head * 1.15 * size, coat)
    c.disc(nose[0] + f * 0.05 * size, nose[1] - 0.02 * size, 0.045 * size, (30, 26, 26))
    c.disc(x + f * 0.05 * size, y - 0.04 * size, 0.03 * size, (20, 18, 18))
    r = b.head * size
    if b.ears == "floppy":
        c.oval(x - f * 0.7 * r, y + 0.2 * r, 0.4 * r, 0.85 * r, dark)
    elif b.ears == "pointed":
        for shift in (-0.75, 0.0):
            c.poly(
                [
                    (x + (shift - 0.2) * r * f, y - 0.6 * r),
                    (x + (shift + 0.75) * r * f, y - 0.6 * r),
                    (x + (shift + 0.2) * r * f, y - 1.6 * r),
                ],
                dark,
            )
    else:
        for shift in (-0.5, 0.5):
            c.line([(x + shift * r, y - 0.6 * r), (x + shift * 2.2 * r, y - 1.5 * r)], 0.06 * size, (236, 226, 200))
