import json
from pathlib import Path

import numpy as np
import pytest

from worker.alignment.decision import FEATURES, DecisionModel, bundled_decision, probability, score
from worker.pretraining.copies.decision import design, fit_decision, read_pairs


def row(**known: float) -> dict[str, float]:
    return {name: known.get(name, 0.0) for name in FEATURES}


def labelled(count: int, seed: int = 0) -> tuple[list[dict[str, float]], list[bool]]:
    """Copies are more alike and longer than unrelated pairs, with some overlap."""
    rng = np.random.default_rng(seed)
    copies = (rng.random(count) < 0.7).tolist()
    rows = [
        row(similarity=float(rng.normal(0.7 if c else 0.45, 0.08)), length=float(rng.normal(2.5 if c else 1.5, 0.5)))
        for c in copies
    ]
    return rows, copies


def test_fitted_scores_rank_copies_above_unrelated_pairs() -> None:
    rows, copies = labelled(400)
    model = fit_decision(rows, copies, DecisionModel())
    fresh, truth = labelled(400, seed=1)
    scores = np.array([score(r, model) for r in fresh])
    assert ((scores > 0.5) == np.array(truth)).mean() > 0.9


def test_the_classes_weigh_the_same_however_many_pairs_they_have() -> None:
    rows, copies = labelled(300)
    many = rows + [r for r, c in zip(rows, copies, strict=True) if c] * 5
    model = fit_decision(many, copies + [True] * (sum(copies) * 5), DecisionModel())
    alone = fit_decision(rows, copies, DecisionModel())
    between = row(similarity=0.575, length=2.0)
    assert score(between, model) == pytest.approx(score(between, alone), abs=0.1)


def test_evidence_never_gets_the_wrong_sign() -> None:
    rng = np.random.default_rng(2)
    rows = [row(similarity=float(rng.normal(0.5 if c else 0.7, 0.05)), static=float(c)) for c in (True, False) * 100]
    model = fit_decision(rows, [True, False] * 100, DecisionModel())
    assert model.similarity_weight == 0.0
    assert model.static_weight == 0.0


def test_both_kinds_of_pairs_are_needed() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        fit_decision([row(similarity=0.8)], [True], DecisionModel())


def test_length_counts_up_to_the_cap() -> None:
    assert design([row(length=9.0)], 4.0)[0, FEATURES.index("length")] == 4.0
    model = DecisionModel()
    assert score(row(length=4.0), model) == score(row(length=40.0), model)


def test_pairs_without_a_find_are_not_learned_from(tmp_path: Path) -> None:
    lines = [{"copy": True, "features": row(similarity=0.9)}, {"copy": True, "features": None}]
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    rows, copies = read_pairs(path)
    assert copies == [True] and rows[0]["similarity"] == 0.9


@pytest.mark.parametrize("line", ['{"copy": 1, "features": null}', '{"copy": true, "features": {"similarity": 1}}'])
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(line)
    with pytest.raises(ValueError, match="line 1"):
        read_pairs(path)


def test_the_bundled_decision_prefers_more_similar_and_longer_matches() -> None:
    model = bundled_decision()
    weak, strong = (
        row(similarity=0.2, density=0.6, length=1.0),
        row(similarity=0.7, density=1.0, length=3.0, contrast=0.3),
    )
    assert score(weak, model) < 0.5 < score(strong, model)


def test_a_short_still_copy_is_shown_when_its_pictures_are_the_very_same() -> None:
    model = bundled_decision()
    still = row(similarity=0.5, density=1.0, length=0.75, hash=1.0, background=0.3)
    assert score(still, model) < 0.5 <= probability(still, model) < 0.9
    for less in ({"hash": 0.6}, {"length": 0.5}, {"speed": 1.0}, {"other_look": 1.0}):
        assert probability(still | less, model) == score(still | less, model)
