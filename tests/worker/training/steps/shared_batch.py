"""What each process of test_distributed.py runs: a share of a batch, and what it got from it, in a file.

python -m tests.worker.training.steps.shared_batch FOLDER     (with the environment of torchrun)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from worker.training.errors import TrainingError
from worker.training.steps.distributed import (
    World,
    any_process,
    average_gradients,
    gather_rows,
    joined_world,
    positive_mask,
    same_start,
)
from worker.training.steps.grad_cache import Embeddings, Tower, backward, micro_batches

ROWS = 12
GROUPS = [0, 1, 2, 3, 4, 5, 0, 7, 8, 3, 10, 11]  # positives across the processes' shares


class Towers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.word = nn.Embedding(13, 8)
        self.frame = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 8))
        self.log_scale = nn.Parameter(torch.tensor(2.0))
        self.unused = nn.Parameter(torch.ones(2))
        self.head = nn.Linear(8, 8)  # behind the gather, as a re-ranker's would be
        self.rank_0_only = nn.Parameter(torch.ones(1))

    def encode(self, part: dict[str, Tensor]) -> Embeddings:
        length = int(part["word_mask"].sum(1).max())
        mask = part["word_mask"][:, :length]
        words = nn.functional.normalize(self.word(part["ids"][:, :length]), dim=-1)
        frames = nn.functional.normalize(self.frame(part["pixels"]), dim=-1)
        return {
            "text": nn.functional.normalize((words * mask[..., None]).sum(1), dim=-1),
            "video": nn.functional.normalize(frames.mean(1), dim=-1),
            "words": words,
            "word_mask": mask,
            "frames": frames,
        }

    def loss(self, e: Embeddings) -> Tensor:
        logits = self.log_scale.exp() * self.head(e["text"]) @ e["video"].T
        floor = torch.finfo(logits.dtype).min
        rows = torch.logsumexp(logits, 1) - torch.logsumexp(logits.masked_fill(~positive_mask(e["group"]), floor), 1)
        local = torch.einsum("bld,cfd->bclf", e["words"], e["frames"]).amax(3)
        weight = e["word_mask"].to(local.dtype)[:, None]
        tokens = 5 * (local * weight).sum(2) / weight.sum(2)
        return (e["weight"] * rows).mean() + nn.functional.cross_entropy(tokens, torch.arange(len(tokens)))


def whole_batch() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(1)
    # The second share has the longer captions, so padding is needed in the first process.
    lengths = torch.tensor([2, 1, 3, 2, 3, 1, 5, 4, 2, 6, 3, 1])
    return {
        "ids": torch.randint(0, 13, (ROWS, 6), generator=draw),
        "word_mask": torch.arange(6)[None] < lengths[:, None],
        "pixels": torch.randn(ROWS, 3, 6, generator=draw),
        "group": torch.tensor(GROUPS),
        "weight": torch.rand(ROWS, generator=draw),
    }


def results(model: Towers, loss: Tensor) -> dict[str, Tensor]:
    return {"loss": loss} | {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def step(model: Towers, world: World, micro_batch: int, dtype: torch.dtype) -> dict[str, Tensor]:
    """One step on this process' share. ``micro_batch`` of the whole share: without GradCache."""
    model.to(dtype).zero_grad()
    mine = torch.from_numpy(world.share(np.arange(ROWS)))
    share = {n: (t.to(dtype) if t.is_floating_point() else t)[mine] for n, t in whole_batch().items()}
    rest = {name: share.pop(name) for name in ("group", "weight")}

    def loss(embeddings: Embeddings) -> Tensor:
        value = model.loss(gather_rows(embeddings | rest, world))
        # In the loss of one process only: as a sum over processes it counts once.
        return value + (world.size * model.rank_0_only.sum() if world.leads else 0)

    value = backward([Tower(model.encode, micro_batches(share, micro_batch))], loss)
    value = value - (world.size * model.rank_0_only.sum().detach() if world.leads else 0)
    average_gradients(list(model.parameters()), world)
    return results(model, value)


def refusal(rows: dict[str, Tensor], world: World) -> str:
    try:
        gather_rows(rows, world)
    except TrainingError as error:
        return error.code
    return "accepted"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with joined_world() as world:
        model = Towers()
        for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
            for size in (ROWS // world.size, 4, 1):
                save_file(step(model, world, size, dtype), folder / f"{name}-{size}-{world.rank}.safetensors")
        torch.manual_seed(world.seed(0))
        fresh = nn.Linear(2, 2)
        before = fresh.weight.detach().clone()
        same_start(fresh, world)
        said = {
            "rows": refusal({"text": torch.zeros(2 + world.rank, 3)}, world),
            "widths": refusal({"text": torch.zeros(2, 3 + world.rank)}, world),
            "names": refusal({"text" if world.leads else "video": torch.zeros(2, 3)}, world),
            "lengths": refusal({"words": torch.zeros(2, 3 + world.rank, 4)}, world),
            "someone": any_process(not world.leads, world),
            "nobody": any_process(False, world),
            "drawn": before.flatten().tolist(),
            "start": fresh.weight.flatten().tolist(),
        }
        (folder / f"said-{world.rank}.json").write_text(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
