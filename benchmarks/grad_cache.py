"""Memory and time of one contrastive step with all graphs kept and with GradCache, beside each other.

    python -m benchmarks.grad_cache [--sizes tiny medium] [--batches 32 128 512] [--micro-batch 16] [--json]

Every cell is a process of its own: two transformer towers of random weights (pictures as 50 patches, texts as 32
tokens), one step of symmetric InfoNCE with AdamW's gradients in place. On the processor ``peak`` is resident memory as
the kernel counted it (VmHWM) and ``step`` what that is above the loaded model and batch; on a GPU both are PyTorch's
allocations there. Both ways compute the same loss, which is checked. Needs Linux (/proc) on the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, hand_over
from benchmarks.memory import status_bytes

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
SIZES = {"tiny": (128, 4), "medium": (384, 8)}  # width, layers
PATCHES, TOKENS, PATCH_VALUES, VOCABULARY = 50, 32, 3 * 16 * 16, 10_000


def step_once(size: str, batch: int, micro_batch: int, device_name: str) -> dict[str, float]:
    """One step; ``micro_batch`` 0 keeps all graphs. Megabytes (MiB) and seconds."""
    import torch
    from torch import Tensor, nn

    from worker.training.steps.grad_cache import Tower, backward, micro_batches

    width, layers = SIZES[size]
    device = torch.device(device_name)
    torch.manual_seed(0)

    def encoder() -> nn.Module:
        layer = nn.TransformerEncoderLayer(width, width // 64, 4 * width, 0.0, batch_first=True, norm_first=True)
        return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    image = nn.Sequential(nn.Linear(PATCH_VALUES, width), encoder()).to(device)
    text = nn.Sequential(nn.Embedding(VOCABULARY, width), encoder()).to(device)
    pixels = torch.rand(batch, PATCHES, PATCH_VALUES, device=device)
    tokens = torch.randint(0, VOCABULARY, (batch, TOKENS), device=device)
    for parameter in [*image.parameters(), *text.parameters()]:
        parameter.grad = torch.zeros_like(parameter)

    def loss(e: dict[str, Tensor]) -> Tensor:
        logits = 20 * e["text"] @ e["video"].T
        target = torch.arange(len(logits), device=device)
        return nn.functional.cross_entropy(logits, target) + nn.functional.cross_entropy(logits.T, target)

    def unit(vectors: Tensor) -> Tensor:
        return nn.functional.normalize(vectors.mean(1), dim=-1)

    cut = micro_batch or batch
    towers = [
        Tower(lambda part: {"video": unit(image(part))}, micro_batches(pixels, cut)),
        Tower(lambda part: {"text": unit(text(part))}, micro_batches(tokens, cut)),
    ]
    gpu = device.type == "cuda"
    loaded = torch.cuda.memory_allocated() if gpu else status_bytes(os.getpid(), "VmRSS")
    began = time.perf_counter()
    value = float(backward(towers, loss))
    if gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated() if gpu else status_bytes(os.getpid(), "VmHWM")
    return {
        "peak_mb": round(peak / MIB, 1),
        "step_mb": round((peak - loaded) / MIB, 1),
        "seconds": round(seconds, 2),
        "loss": value,
    }


def measure(size: str, batch: int, micro_batch: int, device: str, threads: int) -> dict[str, float]:
    """The same in a process of its own. Raises SystemExit if it fails."""
    command = [sys.executable, "-m", "benchmarks.grad_cache", "--step", size, str(batch), str(micro_batch), device]
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | limits, check=False)
    if done.returncode:
        raise SystemExit(f"{size}, batch {batch}, micro-batch {micro_batch or 'whole'} failed, see above")
    report: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return report


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    rows = []
    for size in options.sizes:
        for batch in options.batches:
            plain = measure(size, batch, 0, device, options.threads)
            cached = measure(size, batch, options.micro_batch, device, options.threads)
            assert abs(plain["loss"] - cached["loss"]) < 1e-3 * abs(plain["loss"]), "both compute the same loss"
            rows.append(
                {
                    "device": torch.cuda.get_device_name() if device == "cuda" else "CPU",
                    "size": size, "batch": batch, "micro_batch": options.micro_batch, "plain": plain, "cached": cached,
                    "memory_ratio": round(plain["step_mb"] / max(cached["step_mb"], 0.1), 1),
                    "time_ratio": round(cached["seconds"] / plain["seconds"], 2),
                }
            )  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    names = ["batch", "peak MB plain", "peak MB GradCache", "step MB plain", "step MB GradCache", "memory ratio"]
    names += ["s plain", "s GradCache", "time ratio"]
    lines = [f"| towers ({rows[0]['device']}) | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for r in rows:
        plain, cached = r["plain"], r["cached"]
        cells = [r["batch"], plain["peak_mb"], cached["peak_mb"], plain["step_mb"], cached["step_mb"],
                 r["memory_ratio"], plain["seconds"], cached["seconds"], r["time_ratio"]]  # fmt: skip
        lines.append(f"| {r['size']} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=sorted(SIZES), default=["tiny", "medium"])
    parser.add_argument("--batches", nargs="+", type=int, default=[32, 128, 512])
    parser.add_argument("--micro-batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)  # the process that is measured
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.step:
        size, batch, micro_batch, device = options.step
        print(json.dumps(step_once(size, int(batch), int(micro_batch), device)))
        return
    rows = run(options)
    for row in rows:
        cached, plain = row["cached"], row["plain"]
        what = f"GradCache, {row['size']} towers, batch {row['batch']}"
        hand_over(Figure(f"{what}, peak", cached["peak_mb"], "MB", "all graphs kept", plain["peak_mb"]))
    print(json.dumps(rows, indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
