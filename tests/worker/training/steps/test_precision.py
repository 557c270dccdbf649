"""Too little memory, no GPU, and losses that run away: each ends in words that say what to do."""

from __future__ import annotations

import json
import math
import pickle

import pytest
import torch

from worker.training.errors import TrainingError
from worker.training.steps.precision import (
    DivergenceGuard,
    MicroBatch,
    autocast,
    choose_device,
    has_bf16,
    is_out_of_memory,
)


def test_a_training_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(TrainingError("no_gpu", "There is none.")))  # noqa: S301
    assert (error.code, error.message, str(error)) == ("no_gpu", "There is none.", "There is none.")


def test_a_gpu_recipe_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device(needs_gpu=False) == torch.device("cpu")
    with pytest.raises(TrainingError, match="needs a GPU") as caught:
        choose_device(needs_gpu=True)
    assert caught.value.code == "no_gpu"


def test_autocast_is_bfloat16_exactly_where_the_device_has_it() -> None:
    device = torch.device("cpu")
    a = torch.ones(2, 2)
    with autocast(device):
        assert (a @ a).dtype == (torch.bfloat16 if has_bf16(device) else torch.float32)
    with autocast(device, enabled=False):
        assert (a @ a).dtype == torch.float32


def test_what_torch_really_raises_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(torch.cuda.OutOfMemoryError("CUDA out of memory"))
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


class Step:
    """Runs out of memory above ``most`` rows; draws, so that a second try can be compared."""

    def __init__(self, most: int, error: type[Exception] = MemoryError) -> None:
        self.most, self.error = most, error
        self.sizes: list[int] = []
        self.draws: list[float] = []

    def __call__(self, size: int) -> int:
        self.sizes.append(size)
        self.draws.append(float(torch.rand(())))
        if size > self.most:
            raise self.error
        return size


@pytest.mark.parametrize("error", [MemoryError, torch.cuda.OutOfMemoryError])
def test_the_micro_batch_is_halved_once_said_so_and_kept(error: type[Exception]) -> None:
    said: list[str] = []
    step, micro = Step(5, error), MicroBatch(8, said.append)
    assert [micro.run(step), micro.run(step)] == [4, 4]
    assert step.sizes == [8, 4, 4] and micro.halved
    assert said == ["Memory ran out: continuing with micro_batch 4 instead of 8."]
    assert step.draws[0] == step.draws[1] != step.draws[2], "the second try draws what the first drew"


@pytest.mark.parametrize(
    ("micro", "most", "sizes"),
    [
        (MicroBatch(8, lambda _: None), 3, [8, 4]),
        (MicroBatch(4, lambda _: None, halved=True), 3, [4]),
        (MicroBatch(8, lambda _: None, processes=2), 5, [8]),
        (MicroBatch(1, lambda _: None), 0, [1]),
    ],
)
def test_after_that_it_gives_up_and_names_the_setting(micro: MicroBatch, most: int, sizes: list[int]) -> None:
    step = Step(most)
    with pytest.raises(TrainingError) as caught:
        micro.run(step)
    assert caught.value.code == "out_of_memory" and step.sizes == sizes
    assert ("micro_batch below" if sizes[-1] > 1 else "Lower frames or batch") in caught.value.message


def test_other_errors_are_not_taken_for_memory() -> None:
    def step(size: int) -> None:
        raise RuntimeError("shapes")

    with pytest.raises(RuntimeError, match="shapes"):
        MicroBatch(4, lambda _: None).run(step)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_at_once_with_its_step(loss: float) -> None:
    with pytest.raises(TrainingError, match=r"step 41.*Lower rate") as caught:
        DivergenceGuard().check(loss, 41)
    assert caught.value.code == "diverged"


def observe(guard: DivergenceGuard, loss: float, steps: range) -> None:
    for step in steps:
        guard.check(loss, step)


def test_a_loss_that_stays_far_above_its_best_stops_and_a_short_rise_does_not() -> None:
    guard = DivergenceGuard(patience=50)
    observe(guard, 2.0, range(100))
    observe(guard, 20.0, range(100, 120))
    observe(guard, 2.0, range(120, 300))
    with pytest.raises(TrainingError, match="Lower rate") as caught:
        observe(guard, 20.0, range(300, 1000))
    assert caught.value.code == "diverged" and 340 < int(caught.value.message.split("step ")[1].split(",")[0]) < 400


def test_noise_a_slow_rise_and_losses_near_zero_or_below_do_not_stop() -> None:
    draw = torch.Generator().manual_seed(0)
    for level in (0.001, 1.0, 7.0, -3.0):
        guard = DivergenceGuard()
        for step in range(2000):
            noise = 0.5 + float(torch.rand((), generator=draw))
            guard.check(level * noise * (1 + step / 2000), step)


def test_the_guard_goes_on_where_its_checkpoint_stood() -> None:
    whole, first = DivergenceGuard(patience=30), DivergenceGuard(patience=30)
    observe(whole, 1.0, range(60))
    observe(first, 1.0, range(60))
    second = DivergenceGuard(patience=30)
    second.restore(json.loads(json.dumps(first.state())))
    ends = []
    for guard in (whole, second):
        with pytest.raises(TrainingError) as caught:
            observe(guard, 30.0, range(60, 200))
        ends.append(caught.value.message)
    assert ends[0] == ends[1]
