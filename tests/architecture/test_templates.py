"""People read templates: their lines are short enough for it."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
LONGEST_LINE = 160


def test_no_line_of_a_template_is_too_long_to_be_read() -> None:
    templates = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("templates/**/*.html")]
    assert templates
    long_lines = [
        f"{template.relative_to(ROOT)}:{number}: {len(line)} characters"
        for template in templates
        for number, line in enumerate(template.read_text("utf-8").splitlines(), start=1)
        if len(line) > LONGEST_LINE
    ]
    assert long_lines == []
