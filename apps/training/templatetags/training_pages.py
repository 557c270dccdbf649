"""Figures of training as people read them."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()

RUN_BADGES = {
    "draft": "",
    "queued": "waiting",
    "running": "active",
    "stopped": "warn",
    "done": "done",
    "failed": "failed",
}
VERSION_BADGES = {"serving": "ok", "ready": "", "building": "active", "pending": "waiting", "failed": "failed"}
DATASET_BADGES = {"waiting": "waiting", "frozen": "ok", "failed": "failed"}


@register.filter
def run_badge(state: str) -> str:
    return RUN_BADGES.get(state, "")


@register.filter
def version_badge(state: str) -> str:
    return VERSION_BADGES.get(state, "")


@register.filter
def dataset_badge(state: str) -> str:
    return DATASET_BADGES.get(state, "")


@register.filter
def duration(seconds: float | None) -> str:
    """130 -> "about 2 minutes"; nothing for None."""
    if seconds is None:
        return ""
    if seconds < 90:
        return "about a minute" if seconds > 40 else "less than a minute"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} minutes"
    if seconds < 36 * 3600:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {seconds / 86400:.1f} days"


@register.filter
def figure(value: Any) -> str:
    """31.24 -> "31.2"; whole numbers stay whole."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


@register.filter
def spread(interval: dict[str, float] | None) -> str:
    """{"value", "low", "high"} -> "28.9 to 33.5"; nothing when both ends are the value."""
    if not interval or interval["low"] == interval["high"]:
        return ""
    return f"{interval['low']:.1f} to {interval['high']:.1f}"


@register.filter
def signed(value: float) -> str:
    return f"{value:+.1f}"


@register.filter
def short(sha256: str) -> str:
    return sha256[:12]


@register.filter
def losses(recipe: dict[str, Any]) -> str:
    """{"info_nce": 1.0} -> "InfoNCE"; weights other than 1 are named."""
    names = {"info_nce": "InfoNCE", "triplet": "triplet", "neg_nce": "NegNCE", "dmae": "DMAE", "tpm_cl": "TPM-CL",
             "hscl": "HSCL", "s3": "S3"}  # fmt: skip
    shown = [
        names.get(name, name) + ("" if weight == 1 else f" × {weight:g}")
        for name, weight in recipe.get("losses", {}).items()
    ]
    return ", ".join(shown)
