"""GradCache gives the loss and the gradients of the whole batch."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from worker.training.steps.grad_cache import Embeddings, Tower, backward, join, micro_batches, rows_of

TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class TextTower(nn.Module):
    """Sentence and word vectors; dropout that draws from torch's own state."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 6)
        self.mix = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Dropout(dropout), nn.Linear(8, 5))

    def forward(self, part: Mapping[str, Tensor]) -> Embeddings:
        length = int(part["mask"].sum(1).max())  # as a tokenizer pads: to the longest of the micro-batch
        words = nn.functional.normalize(self.mix(self.words(part["ids"][:, :length])), dim=-1)
        mask = part["mask"][:, :length]
        text = nn.functional.normalize((words * mask[..., None]).sum(1), dim=-1)
        return {"text": text, "words": words, "word_mask": mask}


class VideoTower(nn.Module):
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.mix = nn.Sequential(nn.Linear(7, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 5))

    def forward(self, part: tuple[Tensor, ...]) -> Embeddings:
        frames = nn.functional.normalize(self.mix(part[0]), dim=-1)
        return {"video": nn.functional.normalize(frames.mean(1), dim=-1), "frames": frames}


class Model(nn.Module):
    def __init__(self, seed: int, dropout: float, dtype: torch.dtype) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.text, self.video = TextTower(dropout), VideoTower(dropout)
        self.log_scale = nn.Parameter(torch.tensor(1.5))
        self.to(dtype)

    def loss(self, e: Embeddings) -> Tensor:
        logits = self.log_scale.exp() * e["text"] @ e["video"].T
        target = torch.arange(len(logits))
        local = torch.einsum("bld,cfd->bclf", e["words"], e["frames"]).amax(3)
        weight = e["word_mask"].to(local.dtype)[:, None]
        interaction = (local * weight).sum(2) / weight.sum(2)
        cross = nn.functional.cross_entropy
        return cross(logits, target) + cross(logits.T, target) + cross(interaction, target)


def inputs(rows: int, dtype: torch.dtype, seed: int) -> tuple[dict[str, Tensor], tuple[Tensor, ...]]:
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 7, (rows, 1), generator=draw)
    text = {"ids": torch.randint(0, 11, (rows, 6), generator=draw), "mask": torch.arange(6)[None] < lengths}
    return text, (torch.randn(rows, 3, 7, generator=draw, dtype=dtype),)


def gradients(model: Model) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def plain(model: Model, text: list, video: list) -> tuple[Tensor, dict[str, Tensor]]:
    """All graphs kept, one backward."""
    torch.manual_seed(5)
    model.zero_grad()
    embeddings = join([model.text(part) for part in text]) | join([model.video(part) for part in video])
    loss = model.loss(embeddings)
    loss.backward()
    return loss.detach(), gradients(model)


def cached(model: Model, text: list, video: list) -> tuple[Tensor, dict[str, Tensor]]:
    torch.manual_seed(5)
    model.zero_grad()
    loss = backward([Tower(model.text, text), Tower(model.video, video)], model.loss)
    return loss, gradients(model)


def assert_same(ours: tuple[Tensor, dict[str, Tensor]], theirs: tuple[Tensor, dict[str, Tensor]]) -> None:
    assert ours[1].keys() == theirs[1].keys()
    tolerance = TOLERANCE[theirs[0].dtype]
    torch.testing.assert_close(ours[0], theirs[0], atol=tolerance, rtol=tolerance)
    for name, gradient in theirs[1].items():
        torch.testing.assert_close(ours[1][name], gradient, atol=tolerance, rtol=tolerance, msg=lambda m, n=name: n + m)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 12),
    text_size=st.integers(1, 13),
    video_size=st.integers(1, 13),
    dropout=st.sampled_from([0.0, 0.4]),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 10_000),
)
def test_loss_and_every_gradient_equal_the_step_that_keeps_all_graphs(
    rows: int, text_size: int, video_size: int, dropout: float, dtype: torch.dtype, seed: int
) -> None:
    model = Model(seed, dropout, dtype)
    text, video = inputs(rows, dtype, seed)
    text_parts, video_parts = micro_batches(text, text_size), micro_batches(video, video_size)
    ours = cached(model, text_parts, video_parts)
    assert_same(ours, plain(model, text_parts, video_parts))
    if dropout == 0:  # then no draw depends on how the batch was cut
        assert_same(ours, plain(model, [text], [video]))


def test_dropout_is_at_work_and_the_random_state_goes_on_as_after_one_pass() -> None:
    model = Model(0, 0.4, torch.float64)
    text, video = inputs(6, torch.float64, 0)
    parts = micro_batches(text, 2), micro_batches(video, 2)
    cached(model, *parts)
    after = torch.rand(3)
    plain(model, *parts)
    torch.testing.assert_close(torch.rand(3), after)
    assert not torch.equal(model.text(text)["text"], model.text(text)["text"])


def test_a_loss_that_draws_does_not_disturb_the_replay() -> None:
    model = Model(0, 0.4, torch.float64)
    text, video = inputs(6, torch.float64, 0)
    quiet = model.loss

    def drawing(e: Embeddings) -> Tensor:
        return quiet(e | {"video": e["video"] * (torch.rand(5, dtype=torch.float64) > 0.3)})

    model.loss = drawing  # type: ignore[method-assign]
    parts = micro_batches(text, 4), micro_batches(video, 3)
    assert_same(cached(model, *parts), plain(model, *parts))


def test_gradients_add_up_to_what_was_there() -> None:
    model = Model(0, 0.0, torch.float64)
    text, video = inputs(5, torch.float64, 0)
    towers = [Tower(model.text, micro_batches(text, 2)), Tower(model.video, micro_batches(video, 2))]
    backward(towers, model.loss)
    once = gradients(model)
    backward(towers, model.loss)
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, 2 * once[name])


def test_a_frozen_tower_and_an_unused_output_are_no_obstacle() -> None:
    model = Model(0, 0.0, torch.float64)
    model.video.requires_grad_(False)
    text, video = inputs(5, torch.float64, 0)

    def loss(e: Embeddings) -> Tensor:
        return -(e["text"] * e["video"]).sum()

    backward([Tower(model.text, micro_batches(text, 2)), Tower(model.video, micro_batches(video, 2))], loss)
    assert all(p.grad is None for p in model.video.parameters())
    assert all(p.grad is not None for p in model.text.parameters())


def test_a_loss_that_raises_leaves_no_gradient() -> None:
    model = Model(0, 0.0, torch.float64)
    text, video = inputs(4, torch.float64, 0)

    def loss(e: Embeddings) -> Tensor:
        raise ArithmeticError("stop")

    with pytest.raises(ArithmeticError):
        backward([Tower(model.text, micro_batches(text, 2)), Tower(model.video, micro_batches(video, 2))], loss)
    assert not gradients(model)


def test_bfloat16_autocast_around_the_towers_keeps_the_weights_gradients() -> None:
    model = Model(0, 0.0, torch.float32)
    text, video = inputs(4, torch.float32, 0)

    def encode(part: Mapping[str, Tensor]) -> Embeddings:
        return {name: t.float() if t.is_floating_point() else t for name, t in model.text(part).items()}

    with torch.autocast("cpu", torch.bfloat16):
        backward(
            [Tower(encode, micro_batches(text, 2)), Tower(model.video, micro_batches(video, 2))],
            lambda e: (e["text"] @ e["video"].float().T).square().mean(),
        )
    assert gradients(model).keys() == {n for n, _ in model.named_parameters()} - {"log_scale"}


def test_towers_with_equal_names_and_inputs_of_unequal_rows_are_refused() -> None:
    model = Model(0, 0.0, torch.float64)
    text, video = inputs(4, torch.float64, 0)
    with pytest.raises(ValueError, match="different names"):
        backward([Tower(model.text, [text]), Tower(model.text, [text])], model.loss)
    with pytest.raises(ValueError, match="rows"):
        rows_of({"a": torch.zeros(3), "b": (torch.zeros(4),)})
