"""What holds for every loss, and for their sum."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from tests.worker.training.losses.batches import padded, permuted, random_batch, seeds
from worker.training.losses import LOSSES, LossError, PairBatch, combined

# Nothing is drawn at random: every significant word matches, no row or every row is hard.
FIXED: dict[str, dict[str, float]] = {"s3": {"words": 6.0}}
TOKEN_LOSSES = ("dmae", "tpm_cl", "s3")
every_loss = pytest.mark.parametrize("name", LOSSES)


def value(name: str, batch: PairBatch) -> Tensor:
    return LOSSES[name](batch, **FIXED.get(name, {}))


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_the_order_of_the_pairs_does_not_matter(name: str, seed: int) -> None:
    batch = random_batch(seed, 5, tokens=True, mined=2)
    order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(value(name, permuted(batch, order)), value(name, batch))


@every_loss
@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_padding_does_not_matter(name: str, seed: int) -> None:
    batch = random_batch(seed, 4, tokens=True)
    torch.testing.assert_close(value(name, padded(batch)), value(name, batch))


@every_loss
def test_the_gradient_is_that_of_differences(name: str) -> None:
    batch = random_batch(11, 3, tokens=True, mined=1)
    assert batch.words is not None and batch.frames is not None
    inputs = [t.clone().requires_grad_() for t in (batch.text, batch.video, batch.words, batch.frames)]

    def loss(text: Tensor, video: Tensor, words: Tensor, frames: Tensor) -> Tensor:
        return value(name, replace(batch, text=text, video=video, words=words, frames=frames))

    if name == "hscl":  # the weights of easy positives are constants to the gradient, and change with the inputs
        weights = torch.ones(3, dtype=torch.float64)
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(LOSSES["hscl"].__globals__, "easy_weight", lambda own: weights)
            assert torch.autograd.gradcheck(loss, inputs)
    else:
        assert torch.autograd.gradcheck(loss, inputs)


def gradients(name: str, batch: PairBatch) -> list[Tensor]:
    fields = ("text", "video", "words", "frames", "scale", "mined_video", "mined_text")
    leaves = {f: getattr(batch, f).clone().requires_grad_() for f in fields if getattr(batch, f) is not None}
    loss = value(name, replace(batch, **leaves))
    assert math.isfinite(float(loss.detach()))
    loss.backward()
    return [leaf.grad for leaf in leaves.values() if leaf.grad is not None]


def extreme(kind: str) -> PairBatch:
    batch = random_batch(0, 1 if kind == "one pair" else 4, tokens=True, mined=2, scale=100.0, dtype=torch.float32)
    assert batch.words is not None and batch.word_mask is not None and batch.mined_ok is not None
    assert batch.frames is not None and batch.frame_mask is not None
    if kind == "opposed":
        batch = replace(batch, video=-batch.text)
    if kind == "alike":
        batch = replace(batch, text=batch.text[:1].repeat(4, 1), video=batch.text[:1].repeat(4, 1))
    if kind == "all positive":
        batch = replace(batch, positive=torch.ones(4, 4, dtype=torch.bool))
    if kind == "no mined left":
        batch = replace(batch, mined_ok=torch.zeros_like(batch.mined_ok))
    if kind == "no weight":
        batch = replace(batch, weight=torch.zeros(4))
    if kind == "mixed weights":
        batch = replace(batch, weight=torch.tensor([1.0, 0.1, 0.0, 1e-6]))
    if kind == "a pair without tokens":
        word_mask, frame_mask = batch.word_mask.clone(), batch.frame_mask.clone()
        word_mask[0], frame_mask[1] = False, False
        batch = replace(batch, word_mask=word_mask, frame_mask=frame_mask)
    if kind == "late":
        batch = replace(batch, epoch=50)
    return batch


KINDS = [
    "plain",
    "one pair",
    "opposed",
    "alike",
    "all positive",
    "no mined left",
    "no weight",
    "mixed weights",
    "a pair without tokens",
    "late",
]


@every_loss
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_stay_finite_in_float32_at_scale_100(name: str, kind: str) -> None:
    for gradient in gradients(name, extreme(kind)):
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["info_nce", "neg_nce", "hscl", "triplet"])
def test_one_pair_alone_and_pairs_that_are_all_positive_have_nothing_to_learn(name: str) -> None:
    single = random_batch(1, 1)
    assert value(name, single) == pytest.approx(0.0, abs=1e-9)
    batch = random_batch(1, 4)
    assert value(name, replace(batch, positive=torch.ones(4, 4, dtype=torch.bool))) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("name", TOKEN_LOSSES)
def test_a_loss_says_which_tokens_it_lacks(name: str) -> None:
    with pytest.raises(LossError, match=rf"loss {name} needs .*words"):
        LOSSES[name](random_batch(0, 2))
    batch = random_batch(0, 2, tokens=True)
    with pytest.raises(LossError, match=rf"loss {name} needs frames and frame_mask"):
        LOSSES[name](replace(batch, frames=None, frame_mask=None))


def test_the_sum_is_weighted_and_its_parts_are_not() -> None:
    batch = random_batch(2, 4)
    total, parts = combined(batch, {"info_nce": 1.0, "triplet": 0.5, "neg_nce": 0.0}, {"triplet": {"margin": 0.4}})
    assert set(parts) == {"info_nce", "triplet"}
    assert parts["triplet"] == pytest.approx(float(LOSSES["triplet"](batch, margin=0.4)))
    assert float(total) == pytest.approx(parts["info_nce"] + 0.5 * parts["triplet"])


@pytest.mark.parametrize(
    ("weights", "values", "message"),
    [
        ({"infonce": 1.0}, {}, "no loss called infonce; there are info_nce, triplet"),
        ({"info_nce": 1.0}, {"tripled": {}}, "no loss called tripled"),
        ({"triplet": 1.0}, {"triplet": {"marge": 0.1}}, "triplet has no setting marge; it has margin, semi_hard"),
        ({"info_nce": 1.0}, {"info_nce": {"margin": 0.1}}, "info_nce has no setting margin; it has none"),
        ({"info_nce": -1.0}, {}, "weight of info_nce is -1.0"),
        ({"info_nce": math.nan}, {}, "weight of info_nce is nan"),
        ({"triplet": 1.0}, {"triplet": {"margin": math.inf}}, "setting margin of triplet is inf"),
        ({}, {}, "no loss has a weight above 0"),
        ({"info_nce": 0.0}, {}, "no loss has a weight above 0"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_named(
    weights: dict[str, float], values: dict[str, dict[str, float]], message: str
) -> None:
    with pytest.raises(LossError, match=message):
        combined(random_batch(0, 2), weights, values)
