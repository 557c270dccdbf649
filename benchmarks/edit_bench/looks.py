"""Edits of the picture, each drawn by chance within the range that its line says. Sizes are those of the source."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from benchmarks.edit_bench.recipe import Drawn, Look

Rng = np.random.Generator
LookMaker = Callable[[Rng, int, int], Look]
WORDS = ("WAIT FOR THE END", "you won't believe this", "part 2 tomorrow", "follow for more", "LIVE", "no way...")
COLOURS = ("#e62828", "#1763c4", "#111111", "#2c9a4b", "#b02fa8", "#f0a020")


def _even(value: float) -> int:
    return max(2, int(value) // 2 * 2)


def _draw(rng: Rng, low: float, high: float, digits: int = 3) -> float:
    return round(float(rng.uniform(low, high)), digits)


def _cut(width: int, height: int, keep_w: float, keep_h: float, left: float, top: float) -> Look:
    """Keeps ``keep`` of both sides; ``left`` and ``top`` say where in the room that is left over (0..1)."""
    w, h = _even(width * keep_w), _even(height * keep_h)
    x, y = int((width - w) * left), int((height - h) * top)
    params = {"keep": [round(keep_w, 3), round(keep_h, 3)], "left": round(left, 3), "top": round(top, 3)}
    return Look(f"crop={w}:{h}:{x}:{y}", params=params)


def plain(rng: Rng, w: int, h: int) -> Look:
    return Look()


def blur(rng: Rng, w: int, h: int) -> Look:
    sigma = _draw(rng, 1.5, 3.5)  # pixels at a short side of 256
    return Look(f"gblur=sigma={sigma}", params={"sigma": sigma})


def brightness(rng: Rng, w: int, h: int) -> Look:
    factor = _draw(rng, 1.25, 1.6) if rng.random() < 0.5 else _draw(rng, 0.45, 0.75)
    return Look(f"colorchannelmixer=rr={factor}:gg={factor}:bb={factor}", params={"factor": factor})


def gray(rng: Rng, w: int, h: int) -> Look:
    return Look("hue=s=0")


def colour_grade(rng: Rng, w: int, h: int) -> Look:
    hue, saturation, contrast = _draw(rng, -20, 20), _draw(rng, 0.4, 1.7), _draw(rng, 0.8, 1.3)
    red, blue = _draw(rng, 0.8, 1.25), _draw(rng, 0.8, 1.25)
    chain = f"hue=h={hue}:s={saturation},eq=contrast={contrast}:gamma_r={red}:gamma_b={blue}"
    names = ("hue", "saturation", "contrast", "gamma_r", "gamma_b")
    return Look(chain, params=dict(zip(names, (hue, saturation, contrast, red, blue), strict=True)))


def noise(rng: Rng, w: int, h: int) -> Look:
    strength = int(rng.integers(20, 41))
    seed = int(rng.integers(1, 10_000))
    return Look(f"noise=all_seed={seed}:alls={strength}:allf=t", params={"strength": strength})


def logo(rng: Rng, w: int, h: int) -> Look:
    size = _even(min(w, h) * rng.uniform(0.14, 0.24))
    x, y = (str(int(rng.choice([8, room - size - 8]))) for room in (w, h))
    drawn = Drawn("logo", size, size, "TV7", str(rng.choice(COLOURS)), x, y)
    return Look("", (drawn,), {"share": round(size / min(w, h), 3), "x": x, "y": y})


def caption(rng: Rng, w: int, h: int) -> Look:
    bar = _even(h * rng.uniform(0.14, 0.24))
    top = rng.random() < 0.3
    drawn = Drawn("caption", w, bar, str(rng.choice(WORDS)), str(rng.choice(("#000000", "#1763c4", "#000000a0"))),
                  "0", "0" if top else str(h - bar))  # fmt: skip
    return Look("", (drawn,), {"share": round(bar / h, 3), "top": top, "text": drawn.text})


def moving_overlay(rng: Rng, w: int, h: int) -> Look:
    """Two stickers that sway over the whole picture."""
    pictures = []
    for _ in range(2):
        size = _even(min(w, h) * rng.uniform(0.18, 0.28))
        speeds, phase = (_draw(rng, 0.5, 2.0), _draw(rng, 0.5, 2.0)), _draw(rng, 0, 6.28)
        x = f"(W-w)*(0.5+0.5*sin({speeds[0]}*t+{phase}))"
        y = f"(H-h)*(0.5+0.5*cos({speeds[1]}*t+{phase}))"
        text = str(rng.choice(("WOW", "100%", "NEW", "LOL")))
        pictures.append(Drawn("sticker", size, size, text, str(rng.choice(COLOURS)), x, y))
    return Look("", tuple(pictures), {"shares": [round(p.width / min(w, h), 3) for p in pictures]})


def crop_20(rng: Rng, w: int, h: int) -> Look:
    return _cut(w, h, 0.8, 0.8, 0.5, 0.5)


def crop_40(rng: Rng, w: int, h: int) -> Look:
    return _cut(w, h, 0.6, 0.6, 0.5, 0.5)


def crop_area_90(rng: Rng, w: int, h: int) -> Look:
    return _cut(w, h, math.sqrt(0.9), math.sqrt(0.9), float(rng.uniform(0, 1)), float(rng.uniform(0, 1)))


def off_centre_crop(rng: Rng, w: int, h: int) -> Look:
    """0.6 to 0.75 of each side, pressed into a corner or nearly."""
    left, top = (float(rng.choice([0.0, 1.0]) * 0.85 + rng.uniform(0, 0.15)) for _ in range(2))
    return _cut(w, h, _draw(rng, 0.6, 0.75), _draw(rng, 0.6, 0.75), left, top)


def crop_9_16(rng: Rng, w: int, h: int) -> Look:
    """An upright strip of the middle half; of upright pictures a 16:9 strip."""
    where = float(rng.uniform(0.25, 0.75))
    if w >= h:
        return _cut(w, h, min(1.0, h * 9 / 16 / w), 1.0, where, 0.5)
    return _cut(w, h, 1.0, min(1.0, w * 9 / 16 / h), 0.5, where)


def letterbox(rng: Rng, w: int, h: int) -> Look:
    """Black bars of 12 to 25 % of the size, above and below, or left and right."""
    share, flat = _draw(rng, 0.12, 0.25), bool(rng.random() < 0.65)
    wide, high = (w, _even(h * (1 + 2 * share))) if flat else (_even(w * (1 + 2 * share)), h)
    return Look(f"pad={wide}:{high}:(ow-iw)/2:(oh-ih)/2:black", params={"share": share, "top_and_bottom": flat})


def blurred_bars(rng: Rng, w: int, h: int) -> Look:
    """The picture on a blurred, filled copy of itself, as phones show wide videos upright."""
    wide, high = (_even(h), _even(h * 16 / 9)) if w >= h else (_even(w * 16 / 9), _even(w))
    sigma = _draw(rng, 8, 16, 1)
    chain = (
        f"split[front][back];[back]scale={wide}:{high}:force_original_aspect_ratio=increase,crop={wide}:{high},"
        f"gblur=sigma={sigma}[soft];[front]scale={wide}:{high}:force_original_aspect_ratio=decrease[sharp];"
        "[soft][sharp]overlay=(W-w)/2:(H-h)/2"
    )
    return Look(chain, params={"canvas": [wide, high], "sigma": sigma})


def nested_borders(rng: Rng, w: int, h: int) -> Look:
    """Two or three frames of different colours around each other, 5 to 12 % each."""
    chain, shares = [], []
    for colour in rng.permutation(["black", "white", "0x203a6b", "0x7a1f1f"])[: int(rng.integers(2, 4))]:
        x, y = _draw(rng, 0.05, 0.12), _draw(rng, 0.05, 0.12)
        chain.append(f"pad=ceil(iw*{1 + 2 * x}/2)*2:ceil(ih*{1 + 2 * y}/2)*2:(ow-iw)/2:(oh-ih)/2:{colour}")
        shares.append([x, y, str(colour)])
    return Look(",".join(chain), params={"borders": shares})


def mirror(rng: Rng, w: int, h: int) -> Look:
    return Look("hflip")


def rotate_5(rng: Rng, w: int, h: int) -> Look:
    degrees = float(rng.choice([-1, 1])) * _draw(rng, 4, 6)
    return Look(f"rotate={degrees}*PI/180:fillcolor=black", params={"degrees": degrees})


def rotate_90(rng: Rng, w: int, h: int) -> Look:
    way = str(rng.choice(["clock", "cclock"]))
    return Look(f"transpose={way}", params={"way": way})


def rotate_180(rng: Rng, w: int, h: int) -> Look:
    return Look("hflip,vflip")


def screen_recording(rng: Rng, w: int, h: int) -> Look:
    """Filmed from a screen: a dark surrounding, seen from the side, soft, flat contrast, a little flicker and noise."""
    margin = _draw(rng, 0.04, 0.1)
    corners = []
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        move = rng.uniform(0.0, 0.08, 2)
        corners += [f"W*{abs(x - move[0]):.4f}", f"H*{abs(y - move[1]):.4f}"]
    places = ":".join(f"{axis}{n}={value}" for n in range(4) for axis, value in
                      zip("xy", corners[2 * n : 2 * n + 2], strict=True))  # fmt: skip
    sigma, contrast = _draw(rng, 0.8, 1.6), _draw(rng, 0.65, 0.85)
    chain = (
        f"pad=ceil(iw*{1 + 2 * margin}/2)*2:ceil(ih*{1 + 2 * margin}/2)*2:(ow-iw)/2:(oh-ih)/2:0x181818,"
        f"perspective={places}:sense=destination,gblur=sigma={sigma},"
        f"eq=contrast={contrast}:brightness='0.03+0.015*sin(19*t)':eval=frame,noise=all_seed=7:alls=6:allf=t"
    )
    return Look(chain, params={"margin": margin, "corners": corners, "sigma": sigma, "contrast": contrast})


LOOKS: dict[str, LookMaker] = {
    "re_encode": plain,
    "blur": blur,
    "brightness": brightness,
    "gray": gray,
    "colour_grade": colour_grade,
    "noise": noise,
    "logo": logo,
    "caption": caption,
    "moving_overlay": moving_overlay,
    "crop_20": crop_20,
    "crop_40": crop_40,
    "crop_area_90": crop_area_90,
    "off_centre_crop": off_centre_crop,
    "crop_9_16": crop_9_16,
    "letterbox": letterbox,
    "blurred_bars": blurred_bars,
    "nested_borders": nested_borders,
    "mirror": mirror,
    "rotate_5": rotate_5,
    "rotate_90": rotate_90,
    "rotate_180": rotate_180,
    "screen_recording": screen_recording,
}
