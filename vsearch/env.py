"""Typed readers of the environment. Every secret may come from a file: ``NAME_FILE`` wins over ``NAME``."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path


class EnvironmentProblem(RuntimeError):
    """A variable is missing or unreadable; the message names it and says what to write."""


def text(name: str, default: str | None = None) -> str:
    """Return the variable, or the content of the file that ``NAME_FILE`` names."""
    file = os.environ.get(f"{name}_FILE")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise EnvironmentProblem(f"{name}_FILE points to {file}, which cannot be read: {error.strerror}") from error
    value = os.environ.get(name, default)
    if value is None:
        raise EnvironmentProblem(f"{name} is not set; set it or put it into a file and name that in {name}_FILE")
    return value.strip()


def flag(name: str, default: bool) -> bool:
    value = text(name, "yes" if default else "no").lower()
    if value in {"1", "yes", "true", "on"}:
        return True
    if value in {"0", "no", "false", "off", ""}:
        return False
    raise EnvironmentProblem(f"{name}={value!r} must be yes or no")


def integer(name: str, default: int, *, low: int | None = None, high: int | None = None) -> int:
    raw = text(name, str(default))
    try:
        value = int(raw)
    except ValueError as error:
        raise EnvironmentProblem(f"{name}={raw!r} is not a whole number") from error
    if (low is not None and value < low) or (high is not None and value > high):
        raise EnvironmentProblem(f"{name}={value} is out of range ({low} to {high})")
    return value


_UNITS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}
_RATE = re.compile(r"(\d{1,9})/(\d{0,6})(s|min|h|day)")


def rate(name: str, default: str) -> tuple[int, float] | None:
    """ "8/15min" -> (8, 900.0); "600/min" -> (600, 60.0); "none" -> None."""
    raw = text(name, default).replace(" ", "")
    if raw == "none":
        return None
    found = _RATE.fullmatch(raw)
    count, window = (int(found[1]), int(found[2] or 1) * _UNITS[found[3]]) if found else (0, 0)
    if not count or not window:
        raise EnvironmentProblem(f"{name}={raw!r} is no limit; write for example 60/min, 8/15min, 500/h or none")
    return count, float(window)


def networks(name: str, default: str = "") -> list[IPv4Network | IPv6Network]:
    """Addresses and networks, separated by commas: "10.0.0.1, 192.168.0.0/16, fd00::/8"."""
    found = []
    for word in words(name, default):
        try:
            found.append(ip_network(word))
        except ValueError as error:
            raise EnvironmentProblem(f"{name}: {word!r} is neither an address nor a network ({error})") from error
    return found


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, empty parts dropped."""
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def folder(name: str, default: Path) -> Path:
    return Path(text(name, str(default))).expanduser().resolve()


def choice(name: str, allowed: tuple[str, ...]) -> str:
    """One of ``allowed``; the first of them when nothing is set."""
    value = text(name, allowed[0]).lower()
    if value not in allowed:
        raise EnvironmentProblem(f"{name}={value!r} must be one of: {', '.join(filter(None, allowed))}")
    return value


def pairs(name: str) -> dict[str, str]:
    """ "/srv/media=/protected,/videos=/library" -> {"/srv/media": "/protected", "/videos": "/library"}."""
    found: dict[str, str] = {}
    for word in words(name):
        key, sign, value = word.partition("=")
        if not sign or not key.strip():
            raise EnvironmentProblem(f"{name}: {word!r} must look like folder=address")
        found[key.strip().rstrip("/")] = value.strip().rstrip("/")
    return found


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
