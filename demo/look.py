"""Time of day and weather: the light they throw, the sky they paint, the words they are told with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.canvas import Colour, Light

TIMES = ("day", "dusk", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")


@dataclass(frozen=True, slots=True)
class Look:
    time: str
    weather: str

    @property
    def dark(self) -> bool:
        return self.time == "night"


_GAIN = {"day": (1.0, 1.0, 1.0), "dusk": (0.88, 0.66, 0.60), "night": (0.47, 0.53, 0.76)}
_SKY: dict[str, tuple[Colour, Colour, Colour]] = {
    "day": ((58, 128, 218), (118, 178, 238), (200, 228, 246)),
    "dusk": ((54, 48, 108), (204, 96, 98), (255, 190, 104)),
    "night": ((7, 10, 32), (16, 24, 58), (38, 50, 92)),
}
_GREY_SKY: dict[str, tuple[Colour, Colour, Colour]] = {
    "cloudy": ((128, 140, 156), (164, 174, 186), (204, 210, 216)),
    "rain": ((84, 94, 108), (118, 128, 140), (156, 164, 172)),
    "snow": ((158, 168, 182), (190, 198, 208), (222, 226, 232)),
    "fog": ((176, 182, 188), (192, 198, 202), (208, 212, 214)),
}
_GREY_TINT = {"day": (1.0, 1.0, 1.0), "dusk": (0.88, 0.72, 0.68), "night": (0.23, 0.27, 0.38)}
_GREY_SHARE = {"clear": 0.0, "cloudy": 0.18, "rain": 0.32, "snow": 0.25, "fog": 0.35}


def sky_colours(look: Look) -> tuple[Colour, Colour, Colour]:
    """Colours at the top, the middle and the horizon."""
    if look.weather == "clear":
        return _SKY[look.time]
    tint = _GREY_TINT[look.time]
    top, middle, low = (
        tuple(round(c * g) for c, g in zip(colour, tint, strict=True)) for colour in _GREY_SKY[look.weather]
    )
    return top, middle, low


def light_of(look: Look) -> Light:
    gain = _GAIN[look.time]
    if look.weather in ("rain", "cloudy") and look.time == "day":
        gain = (0.84, 0.86, 0.9)
    elif look.weather != "clear" and look.time == "dusk":
        gain = (0.90, 0.77, 0.73)
    return Light(gain=gain, grey=_GREY_SHARE[look.weather], haze=sky_colours(look)[2])


def fog_share(look: Look, depth: float) -> float:
    """How much of something ``depth`` away (0 near, 1 far) is lost in haze."""
    return min(0.95, {"fog": 1.0, "rain": 0.55, "snow": 0.6}.get(look.weather, 0.3) * depth)


TIME_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("", "during the day", "in daylight", "by day"),
    "dusk": ("at sunset", "at dusk", "in the evening", "in the evening light"),
    "night": ("at night", "after dark", "in the dark", "by night"),
}
WEATHER_WORDS: dict[str, tuple[str, ...]] = {
    "clear": ("", "", "under a clear sky"),
    "cloudy": ("under a cloudy sky", "on an overcast day", ""),
    "rain": ("in the rain", "while it rains", "in rainy weather"),
    "snow": ("in the snow", "while it snows", "in falling snow"),
    "fog": ("in the fog", "in the mist", "on a foggy day"),
}
TIME_ADJECTIVES = {"day": ("daytime",), "dusk": ("evening", "sunset"), "night": ("night-time", "night")}
WEATHER_ADJECTIVES = {
    "clear": ("",),
    "cloudy": ("overcast",),
    "rain": ("rainy",),
    "snow": ("snowy",),
    "fog": ("foggy",),
}


def pick_look(rng: np.random.Generator, times: tuple[str, ...] = TIMES, weathers: tuple[str, ...] = WEATHERS) -> Look:
    """A look drawn at random; clear weather and day are the most frequent where they are allowed."""
    time_odds = np.array([{"day": 0.5, "dusk": 0.22, "night": 0.28}[t] for t in times])
    weather_odds = np.array(
        [{"clear": 0.5, "cloudy": 0.1, "rain": 0.16, "snow": 0.12, "fog": 0.12}[w] for w in weathers]
    )
    return Look(
        time=str(rng.choice(times, p=time_odds / time_odds.sum())),
        weather=str(rng.choice(weathers, p=weather_odds / weather_odds.sum())),
    )
