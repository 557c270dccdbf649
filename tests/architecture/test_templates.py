"""People read templates: their lines are short enough for it, and each compiles by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import get_template

ROOT = Path(settings.BASE_DIR)
LONGEST_LINE = 160
TEMPLATES = sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("templates/**/*.html")])


def test_no_line_of_a_template_is_too_long_to_be_read() -> None:
    assert TEMPLATES
    long_lines = [
        f"{template.relative_to(ROOT)}:{number}: {len(line)} characters"
        for template in TEMPLATES
        for number, line in enumerate(template.read_text("utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert long_lines == []


@pytest.mark.parametrize("name", [template.as_posix().split("templates/", 1)[1] for template in TEMPLATES])
def test_every_template_compiles_so_that_no_partial_lacks_a_filter(name: str) -> None:
    get_template(name)
