"""One training run from a shell, without Django, a database or a queue; under torchrun with several processes.

    python -m worker.training.command --manifest data.jsonl --recipe adapter --model models/semantic --out RUN
    torchrun --nproc-per-node 4 -m worker.training.command --manifest data.jsonl --recipe lora-gpu ...

Started again with the same arguments it continues from its last checkpoint. Ctrl-C leaves one.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from worker.embedders.base import EmbedderError
from worker.training.errors import Interrupted, TrainingError
from worker.training.prepare import open_base, prepare
from worker.training.recipe import Recipe, load_recipe, recipe_from
from worker.training.run import Progress, Run
from worker.training.steps.distributed import joined_world
from worker.training.train import train


def _tell(progress: Progress) -> None:
    point = progress.point or {}
    figures = "  ".join(f"{name} {point[name]:.4g}" for name in ("epoch", "loss", "t2v_r1", "t2v_r10") if name in point)
    if progress.message or figures or progress.stage != "training":
        print(
            f"{100 * progress.fraction:5.1f} % {progress.stage} {progress.message} {figures}".rstrip(), file=sys.stderr
        )


def _recipe_file(file: Path) -> Recipe:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError("recipe", f"{file} is not a recipe that can be read: {error}.") from error
    return recipe_from(values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--recipe", required=True, help="the name of a preset, or a JSON file")
    parser.add_argument("--model", type=Path, required=True, help="folder of the base model")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    args = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        given = Path(args.recipe)
        recipe = _recipe_file(given) if given.suffix == ".json" else load_recipe(args.recipe)
        with joined_world() as world:
            run = Run(args.out, recipe, _tell if world.leads else lambda _: None, stop.is_set, world)
            result = train(prepare(args.manifest, open_base(args.model), run), run)
    except (TrainingError, EmbedderError) as error:
        print(error, file=sys.stderr)
        return 1
    except Interrupted:
        print("Stopped; the same command continues from the checkpoint.", file=sys.stderr)
        return 130
    if world.leads:
        for problem in result.problems:
            print(f"left out: {problem}", file=sys.stderr)
        print(
            json.dumps({"candidate": str(result.candidate), "before": result.before, "after": result.after}, indent=2)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
