"""The recipes that people choose from: recipes/*.json at the root of the repository, checked against their schema."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema
from django.conf import settings

from apps.core.exceptions import InvalidInput


def recipe_presets() -> list[dict[str, Any]]:
    """The presets that need no GPU first, quickest first. A file that breaks the schema is a bug."""
    files = sorted(f for f in (Path(settings.BASE_DIR) / "recipes").glob("*.json") if f.stem != "schema")
    presets = [recipe_check(json.loads(file.read_text(encoding="utf-8"))) for file in files]
    return sorted(presets, key=lambda r: (bool(r.get("needs_gpu")), r["tier"], len(r["losses"]), bool(r.get("mining"))))


def recipe_preset(name: str) -> dict[str, Any]:
    presets = {recipe["name"]: recipe for recipe in recipe_presets()}
    if name not in presets:
        raise InvalidInput(f"There is no recipe called {name}; there are {', '.join(presets)}.", field="recipe")
    return presets[name]


def recipe_check(values: Any) -> dict[str, Any]:
    """``values`` when they are a recipe; InvalidInput names the place at fault."""
    try:
        jsonschema.validate(values, _schema())
    except jsonschema.ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path)
        field = f"recipe/{place.replace('.', '/')}" if place else "recipe"
        raise InvalidInput(f"The recipe cannot be used: {place or 'it'}: {error.message}", field=field) from error
    checked: dict[str, Any] = values
    return checked


@lru_cache(maxsize=1)
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((Path(settings.BASE_DIR) / "recipes" / "schema.json").read_text("utf-8"))
    return loaded
