"""Every kind of scene; importing this package registers them all."""

from demo.scenes import animals, city, country, nature, people, roads, sky, things, water
from demo.scenes.registry import KINDS, build_scene, look_for

__all__ = [
    "KINDS",
    "animals",
    "build_scene",
    "city",
    "country",
    "look_for",
    "nature",
    "people",
    "roads",
    "sky",
    "things",
    "water",
]
