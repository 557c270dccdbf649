import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.training.losses.batches import nce, random_batch, scores, seeds, sizes, weighted
from worker.training.losses.batch import LossError, both_ways
from worker.training.losses.hscl import easy_weight, hard_probability, hscl, nearest_negatives


def test_the_probability_rises_by_steps_to_one() -> None:
    assert [round(hard_probability(e, every=2), 2) for e in (0, 1, 2, 3, 4)] == [0.0, 0.0, 0.15, 0.15, 0.3]
    assert hard_probability(100) == 1.0
    assert hard_probability(0, start=1.0) == 1.0
    with pytest.raises(ValueError, match="every"):
        hard_probability(1, every=0)


def weight_of(s: float, every: list[float]) -> float:
    mean, least = sum(every) / len(every), min(every)
    return 1.0 if s <= mean + 1e-6 else max((mean - least) / (s - least), 0.2)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=8))
def test_easy_positives_weigh_less(values: list[float]) -> None:
    found = easy_weight(torch.tensor(values, dtype=torch.float64))
    assert found.tolist() == pytest.approx([weight_of(s, values) for s in values], abs=1e-6)
    assert (found <= 1).all() and (found >= 0.2).all()


def test_no_positive_weighs_less_than_a_fifth() -> None:
    found = easy_weight(torch.tensor([0.0] * 9 + [1.0], dtype=torch.float64))  # (0.1 - 0) / (1 - 0) is a tenth
    assert found.tolist() == [1.0] * 9 + [pytest.approx(0.2)]


def test_equal_similarities_all_count_fully_whatever_rounding_does() -> None:
    assert torch.equal(easy_weight(torch.full((7,), 0.1)), torch.ones(7))


def loop(
    rows: list[list[float]], negative: list[list[bool]], weight: list[float], *, hard: bool, share: float
) -> float:
    own = [rows[i][i] for i in range(len(rows))]
    losses = []
    for i, (row, kinds) in enumerate(zip(rows, negative, strict=True)):
        others = [n for n, kind in enumerate(kinds) if kind]
        if hard and others:
            others.sort(key=lambda n: abs(row[n] - own[i]))
            others = others[: max(1, round(share * len(others)))]
        kept = [n for n in range(len(row)) if not kinds[n] or n in others]
        losses.append(nce([row[n] for n in kept], [kinds[n] for n in kept], 10.0) * weight_of(own[i], own))
    return weighted(losses, weight)


@settings(max_examples=40, deadline=None)
@given(seeds, sizes, st.integers(0, 2), st.booleans())
def test_it_is_the_loop_at_both_ends_of_the_curriculum(seed: int, pairs: int, mined: int, hard: bool) -> None:
    batch = random_batch(seed, pairs, mined=mined)
    batch.epoch = 7 if hard else 0
    forward, backward, forward_negative, backward_negative = scores(batch)
    weight = batch.weight.tolist()
    expected = 0.5 * (
        loop(forward, forward_negative, weight, hard=hard, share=0.4)
        + loop(backward, backward_negative, weight, hard=hard, share=0.4)
    )
    assert float(hscl(batch, nearest=0.4)) == pytest.approx(expected, abs=1e-9)


def test_between_the_ends_about_that_many_rows_are_hard() -> None:
    batch = random_batch(0, 5, groups=False)
    batch.epoch = 3  # p = 0.45
    batch.generator = torch.Generator().manual_seed(0)
    values = {round(float(hscl(batch, nearest=0.25)), 9) for _ in range(30)}
    assert len(values) > 5  # drawn anew each time
    batch.generator = torch.Generator().manual_seed(4)
    first = hscl(batch)
    batch.generator = torch.Generator().manual_seed(4)
    assert torch.equal(first, hscl(batch))


def test_the_nearest_negatives_are_those_nearest_to_the_positive_not_the_highest() -> None:
    batch = random_batch(0, 5, groups=False)
    batch.text = torch.eye(5, dtype=torch.float64)
    row = torch.tensor([0.5, 0.95, 0.45, 0.0, 0.58], dtype=torch.float64)
    batch.video = row.expand(5, 5).T  # similarity of text 0 to video j is row[j]... for every text its own row
    forward = both_ways(batch)[0]
    forward.similarity[0] = row
    assert nearest_negatives(forward, 0.5)[0].tolist() == [False, False, True, False, True]


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(LossError, match="nearest"):
        hscl(random_batch(0, 2), nearest=0.0)
