"""What a training run does, as data: recipes/*.json, checked against recipes/schema.json. Presets are files there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import jsonschema

from worker.training.errors import TrainingError

FOLDER = Path(__file__).resolve().parents[2] / "recipes"


@dataclass(frozen=True)
class Recipe:
    """See recipes/schema.json for what each value means."""

    name: str
    title: str
    tier: Literal["A", "B"]
    losses: dict[str, float]
    description: str = ""
    settings: dict[str, dict[str, float]] = field(default_factory=dict)
    pooling: str = "mean"
    mining: bool = False
    mined: int = 4
    epochs: int = 20
    batch: int = 512
    rate: float = 1e-3
    backbone_rate: float = 1e-6
    weight_decay: float = 0.1
    dropout: float = 0.1
    patience: int = 5
    filter_percentile: float = 0.0
    frames: int = 12
    frame_dropout: float = 0.1
    anchor: float = 0.0
    seed: int = 0
    lora_rank: int = 0
    unfrozen_blocks: int = 0
    micro_batch: int = 32
    checkpointing: bool = False
    needs_gpu: bool = False

    def sha256(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def trains_towers(self) -> bool:
        """Else a head is trained on what the frozen towers give. In recipes and runs: tier "B" and "A"."""
        return self.tier == "B"

    def needs_words(self) -> bool:
        """Whether a loss looks at single words and frames, which costs memory."""
        return bool({"dmae", "tpm_cl", "s3"} & self.losses.keys())


def recipe_from(values: dict[str, Any]) -> Recipe:
    """Raises TrainingError("recipe") that names the field."""
    schema = json.loads((FOLDER / "schema.json").read_text())
    try:
        jsonschema.validate(values, schema)
    except jsonschema.ValidationError as error:
        place = ".".join(str(part) for part in error.absolute_path) or "the recipe"
        raise TrainingError("recipe", f"{place}: {error.message}. Correct the recipe and start again.") from error
    if values["tier"] == "B" and not values.get("lora_rank") and not values.get("unfrozen_blocks"):
        raise TrainingError(
            "recipe",
            "Nothing would be trained: set lora_rank or unfrozen_blocks above 0, or choose a recipe for the head.",
        )
    types = {f.name: f.type for f in fields(Recipe)}
    # JSON knows no integers: the schema takes 30.0 for one, and ranges and slices do not.
    typed: dict[str, Any] = {name: int(v) if types[name] == "int" else v for name, v in values.items() if name in types}
    return Recipe(**typed)


def load_recipe(name: str) -> Recipe:
    """A preset by its name. Raises TrainingError("recipe") with the names that exist."""
    file = FOLDER / f"{name}.json"
    presets = sorted(f.stem for f in FOLDER.glob("*.json") if f.stem != "schema")
    if name not in presets:
        raise TrainingError("recipe", f"There is no recipe called {name}; there are {', '.join(presets)}.")
    return recipe_from(json.loads(file.read_text()))
