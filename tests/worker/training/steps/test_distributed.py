"""Two real processes over gloo give what one process with the whole batch gives."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.worker.training.steps.shared_batch import ROWS, Towers, step
from worker.training.errors import TrainingError
from worker.training.steps.distributed import World, gather_rows, joined_world

ROOT = Path(__file__).resolve().parents[4]
PROCESSES = 2


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what both processes got."""
    folder = tmp_path_factory.mktemp("shared")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "WORLD_SIZE": str(PROCESSES),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "tests.worker.training.steps.shared_batch", str(folder)]
    running = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(PROCESSES)
    ]
    try:
        outputs = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0] * PROCESSES, "\n".join(outputs)
    return folder


@pytest.mark.parametrize(("name", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
@pytest.mark.parametrize("micro_batch", [ROWS // PROCESSES, 4, 1])
def test_loss_and_all_gradients_are_those_of_one_process_with_the_whole_batch(
    shared: Path, name: str, tolerance: float, micro_batch: int
) -> None:
    torch.set_num_threads(1)
    alone = step(Towers(), World(), ROWS, getattr(torch, name))
    alone["rank_0_only"] = torch.ones(1, dtype=alone["loss"].dtype)
    for rank in range(PROCESSES):
        together = load_file(shared / f"{name}-{micro_batch}-{rank}.safetensors")
        assert together.keys() == alone.keys()
        assert "unused" not in together, "a parameter without a gradient anywhere has none afterwards"
        for parameter, value in alone.items():
            torch.testing.assert_close(
                together[parameter], value, atol=tolerance, rtol=tolerance, msg=lambda m, p=parameter: f"{p}: {m}"
            )


def said(shared: Path) -> list[dict]:
    return [json.loads((shared / f"said-{rank}.json").read_text()) for rank in range(PROCESSES)]


def test_unequal_shares_are_refused_in_every_process_and_other_lengths_are_padded(shared: Path) -> None:
    for process in said(shared):
        assert [process[what] for what in ("rows", "widths", "names")] == ["ragged_batch"] * 3
        assert process["lengths"] == "accepted"


def test_processes_agree_to_stop_start_alike_and_draw_differently(shared: Path) -> None:
    first, second = said(shared)
    assert first["someone"] and second["someone"] and not first["nobody"] and not second["nobody"]
    assert first["drawn"] != second["drawn"]
    assert first["start"] == second["start"] == first["drawn"]


def test_a_batch_is_shared_in_order_or_refused() -> None:
    rows = np.arange(6)
    assert [World(rank, 3).share(rows).tolist() for rank in range(3)] == [[0, 1], [2, 3], [4, 5]]
    with pytest.raises(TrainingError, match="multiple of 4") as caught:
        World(0, 4).share(rows)
    assert caught.value.code == "ragged_batch"


def test_alone_nothing_is_gathered_and_no_group_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined_world() as world:
        assert world == World(0, 1) and world.leads
        rows = {"text": torch.ones(2, 3, requires_grad=True)}
        assert gather_rows(rows, world)["text"] is rows["text"]
