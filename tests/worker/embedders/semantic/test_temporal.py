from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from worker.embedders.base import pool_clip
from worker.embedders.semantic.temporal import POOLINGS, TemporalTransformer, make_pooling

torch.set_num_threads(1)

DIM = 8
every_pooling = pytest.mark.parametrize("name", POOLINGS)


def clips(frames: int = 5, count: int = 3) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    mask = torch.zeros(count, frames, dtype=torch.bool)
    for row in range(count):
        mask[row, : frames - row] = True
    return F.normalize(torch.randn(count, frames, DIM, generator=g), dim=-1), mask


def trained(name: str) -> torch.nn.Module:
    """A pooling that is no longer the mean."""
    torch.manual_seed(1)
    pooling = make_pooling(name, DIM).eval()
    with torch.no_grad():
        for parameter in pooling.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return pooling


@every_pooling
def test_it_starts_as_the_normalised_mean_of_the_real_frames(name: str) -> None:
    frames, mask = clips()
    found = make_pooling(name, DIM)(frames, mask)
    expected = np.stack([pool_clip(clip[m].numpy()) for clip, m in zip(frames, mask, strict=True)])
    torch.testing.assert_close(found, torch.from_numpy(expected))


@every_pooling
def test_what_is_masked_changes_nothing_even_nan(name: str) -> None:
    frames, mask = clips()
    pooling = trained(name)
    expected = pooling(frames, mask)
    for junk in (7.0, torch.nan):
        torch.testing.assert_close(pooling(frames.masked_fill(~mask.unsqueeze(-1), junk), mask), expected)


@every_pooling
def test_more_padding_changes_nothing(name: str) -> None:
    frames, mask = clips()
    pooling = trained(name)
    longer = pooling(F.pad(frames, (0, 0, 0, 4)), F.pad(mask, (0, 4)))
    torch.testing.assert_close(longer, pooling(frames, mask))


@every_pooling
def test_a_clip_pools_alone_as_among_others(name: str) -> None:
    frames, mask = clips()
    pooling = trained(name)
    torch.testing.assert_close(pooling(frames[2:, :3], mask[2:, :3]), pooling(frames, mask)[2:])


@every_pooling
def test_clips_without_frames_are_zero_and_leave_finite_gradients(name: str) -> None:
    frames, mask = clips()
    mask[1] = False
    pooling = trained(name)
    frames.requires_grad_()
    found = pooling(frames, mask)
    assert torch.equal(found[1], torch.zeros(DIM))
    torch.testing.assert_close(found[[0, 2]].norm(dim=-1), torch.ones(2))
    found.sum().backward()
    assert frames.grad is not None and torch.isfinite(frames.grad).all()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in pooling.parameters())


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_a_step_moves_it_away_from_the_mean(name: str) -> None:
    frames, mask = clips()
    torch.manual_seed(0)
    pooling = make_pooling(name, DIM)
    mean = make_pooling("mean", DIM)(frames, mask)
    optimizer = torch.optim.SGD(pooling.parameters(), lr=1.0)
    (pooling(frames, mask) * frames[:, 0]).sum().backward()  # towards the first frame
    optimizer.step()
    assert (pooling(frames, mask) - mean).abs().max() > 1e-3


def test_the_transformer_tells_orders_apart_and_the_others_do_not() -> None:
    frames, mask = clips()
    mask[:] = True
    turned = frames.flip(1)
    assert (trained("transformer")(frames, mask) - trained("transformer")(turned, mask)).abs().max() > 1e-3
    for name in ("mean", "attention"):
        torch.testing.assert_close(trained(name)(frames, mask), trained(name)(turned, mask))


def test_more_frames_than_positions_still_pool() -> None:
    torch.manual_seed(0)
    pooling = TemporalTransformer(DIM, layers=2, max_frames=3)
    frames, mask = clips(frames=9)
    torch.testing.assert_close(pooling(frames, mask), make_pooling("mean", DIM)(frames, mask))


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="no pooling called max; there are mean, attention, transformer"):
        make_pooling("max", DIM)
    with pytest.raises(ValueError, match="no transformer has 6 dimensions"):
        TemporalTransformer(6, heads=4)
    assert make_pooling("transformer", 6)(torch.ones(1, 2, 6), torch.ones(1, 2, dtype=torch.bool)).shape == (1, 6)


@pytest.mark.parametrize("name", ["attention", "transformer"])
def test_onnx_gives_the_same_for_any_number_of_frames(name: str, tmp_path: Path) -> None:
    pooling = trained(name)
    file = tmp_path / "pooling.onnx"
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", min=2)
    torch.onnx.export(
        pooling,
        clips(),
        str(file),
        input_names=["frames", "mask"],
        output_names=["vectors"],
        dynamic_shapes=({0: batch, 1: length}, {0: batch, 1: length}),
        dynamo=True,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    for frames, mask in (clips(), clips(frames=7, count=2)):
        (found,) = session.run(None, {"frames": frames.numpy(), "mask": mask.numpy()})
        torch.testing.assert_close(torch.from_numpy(found), pooling(frames, mask), atol=1e-5, rtol=1e-4)
