"""Writes base.txt and test.txt: the exact versions of everything that pyproject.toml needs, directly or not.

Reads what is installed in the environment that runs it (make lock), so install and test a change first. Versions
of a local build ("2.13.0+cpu") are written without that part: pip then takes the build that fits the machine.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

FOLDER = Path(__file__).resolve().parent
HEADER = "# Written by requirements/lock.py from pyproject.toml (make lock); do not edit.\n"


def closure(requirements: list[str]) -> dict[str, str]:
    """Name -> version of every distribution that ``requirements`` bring, through all their dependencies."""
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found = distribution(requirement.name)
            pins[name] = found.version.split("+")[0]
            for text in found.requires or []:
                child = Requirement(text)
                plain = child.marker is None or child.marker.evaluate({"extra": ""})
                if (plain and not extra) or (
                    extra and not plain and child.marker and child.marker.evaluate({"extra": extra})
                ):
                    waiting.append(child)
    return pins


def write(file: Path, pins: dict[str, str], first: str = "") -> None:
    lines = [f"{name}=={version}" for name, version in sorted(pins.items())]
    file.write_text(HEADER + first + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    base = closure(project["dependencies"])
    test = closure(project["optional-dependencies"]["test"])
    write(FOLDER / "base.txt", base)
    write(FOLDER / "test.txt", {name: pin for name, pin in test.items() if name not in base}, "-r base.txt\n")
    print(f"{len(base)} packages to run vsearch, {len(test.keys() - base.keys())} more to test it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
