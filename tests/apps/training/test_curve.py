from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from apps.training.markdown import card_html
from apps.training.runs.curve import HEIGHT, MAX_DRAWN, WIDTH, draw, read_curve
from apps.training.runs.estimate import estimate_seconds


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines))
    return path


def test_a_resumed_run_overwrites_its_steps_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    file = written(
        tmp_path / "curve.jsonl",
        {"step": 1, "loss": 4.0},
        {"step": 2, "loss": 3.0},
        {"step": 2, "loss": 2.5, "t2v_r1": 10},
        {"step": 3, "loss": None, "rate": 0.1},
        "[]\n",
        '{"step": 4, "lo',
    )
    assert read_curve(file) == [
        {"step": 1.0, "loss": 4.0},
        {"step": 2.0, "loss": 2.5, "t2v_r1": 10.0},
        {"step": 3.0, "rate": 0.1},
    ]
    assert read_curve(tmp_path / "nothing") == []


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [5.0, 1.0, 0.2], [-1e6, 1e6], [1e-9, 2e-9], [0.0, 0.0]])
def test_a_chart_stays_inside_its_frame(values: list[float]) -> None:
    chart = draw("Loss", [{"step": float(i), "loss": v} for i, v in enumerate(values)], [("loss", "loss")])
    assert chart is not None
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", chart.lines[0].points)]
    assert all(0 <= x <= WIDTH for x in numbers[::2]) and all(0 <= y <= HEIGHT for y in numbers[1::2])
    assert len(chart.ticks) >= 2


def test_a_long_run_is_drawn_with_fewer_points_and_its_last_one() -> None:
    points = [{"step": float(i), "loss": float(i % 7)} for i in range(10_000)]
    chart = draw("Loss", points, [("loss", "loss"), ("none", "none")])
    assert chart is not None and len(chart.lines) == 1
    assert len(chart.lines[0].points.split()) <= MAX_DRAWN + 1
    assert chart.lines[0].last[2] == points[-1]["loss"]
    assert draw("Loss", [{"step": 1.0}], [("loss", "loss")]) is None


def test_a_card_is_text_whatever_it_holds() -> None:
    html = card_html(
        "---\nlicense: x\n---\n# Title <b>\n\nWords `code` **bold** "
        "[a link](javascript:alert(1))\n<img src=x onerror=y>\n"
        "- one\n- two\n\n| a | b |\n|---|--:|\n| 1 | <i> |\n\n```\n<pre>\n"
    )
    assert "license" not in html and "javascript" not in html
    assert set(re.findall(r"<(\w+)", html)) == {
        "h3", "p", "code", "b", "ul", "li", "div", "table", "thead", "tbody", "tr", "th", "td", "pre",
    }  # fmt: skip
    assert "&lt;img" in html and "<b>bold</b>" in html and "<td>&lt;i&gt;</td>" in html


@pytest.mark.parametrize("text", ["", "\n\n", "#", "|", "| |", "```", "-", "a\n#b", "*" * 500, "|-|"])
def test_odd_cards_end(text: str) -> None:
    card_html(text)


def test_more_work_costs_more() -> None:
    head = {"tier": "A", "epochs": 30, "batch": 1024, "losses": {"info_nce": 1.0}}
    small, large = estimate_seconds(head, items=50, captions=100), estimate_seconds(head, items=5000, captions=20_000)
    assert 0 < small < large
    towers = {**head, "tier": "B"}
    assert estimate_seconds(towers, items=5000, captions=20_000) > large
    assert estimate_seconds({**head, "mining": True}, items=50, captions=100) > small
