"""From a trained copy descriptor to the file that the application reads: network, whitening, background."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from worker.embedders.copies.descriptor import DIM, CopyNet, to_square
from worker.pretraining.copies.descriptor import training_rows
from worker.training.loop.checkpoint import load_checkpoint

BACKGROUND = 1000
STATISTICS = 6000
FLOOR = 0.02  # of the mean variance, added to every direction, so that nearly empty ones are not blown up


def describe(net: CopyNet, images: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 128) unit rows in evaluation mode."""
    net.eval()
    with torch.inference_mode():
        return torch.cat([net(to_square(images[i : i + 128])) for i in range(0, len(images), 128)])


def whitening(z: Tensor, strength: float) -> tuple[Tensor, Tensor]:
    """Centre (128,) and symmetric matrix (128, 128) that scales direction i by variance_i ** (-strength / 2).

    strength 0 only centres; 1 whitens fully (ZCA).
    """
    centre = z.mean(0)
    values, vectors = torch.linalg.eigh((z - centre).T @ (z - centre) / len(z))
    scale = (values.clamp(min=0) + FLOOR * values.mean()) ** (-strength / 2)
    return centre, vectors @ torch.diag(scale / scale.mean()) @ vectors.T


def release(net: CopyNet, images: np.ndarray, group: np.ndarray, out: Path, *, strength: float, seed: int) -> None:
    """Write ``out``. images and group as in training; one picture of each source video at most is background."""
    rng = np.random.default_rng(seed)
    net.centre, net.rotation = torch.zeros(DIM), torch.eye(DIM)
    sample = rng.permutation(len(images))[:STATISTICS]
    net.centre, net.rotation = whitening(describe(net, images[sample]).clone(), strength)
    _, one_each = np.unique(group, return_index=True)
    backs = describe(net, images[rng.permutation(one_each)[:BACKGROUND]])
    tensors = {f"net.{k}": v.contiguous() for k, v in net.state_dict().items()}
    tensors |= {"centre": net.centre.contiguous(), "rotation": net.rotation.contiguous()}
    tensors["background"] = F.normalize(backs, dim=1).half().contiguous()
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_suffix(".new")
    save_file(tensors, fresh, metadata={"licence": "research use", "format": "vsearch copy descriptor 1"})
    fresh.chmod(0o644)
    fresh.replace(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True, help="the --out folder of copies.descriptor")
    parser.add_argument("--out", type=Path, default=Path("models/copy/copy.safetensors"))
    parser.add_argument("--strength", type=float, default=0.5, help="whitening: 0 none, 1 full")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    net = CopyNet()
    if load_checkpoint(args.run / "copy", {"net": net}) is None:
        raise SystemExit(
            f"no checkpoint in {args.run / 'copy'}: run python -m worker.pretraining.copies.descriptor first"
        )
    images, group = training_rows(args.pack)
    release(net, images, group, args.out, strength=args.strength, seed=args.seed)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
