"""Benchmarks are run by hand and seldom: what they import from the project must still be there."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"apps", "benchmarks", "demo", "vsearch", "worker"}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_benchmark_imports_is_there(path: Path) -> None:
    missing = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.module or node.module.split(".")[0] not in OURS:
            continue
        if find_spec(node.module) is None:
            missing.append(node.module)
        elif not node.module.startswith("benchmarks."):  # those may need the peers, which are not installed here
            module = import_module(node.module)
            inside = hasattr(module, "__path__")  # a name may also be a module of a package
            names = [a.name for a in node.names if not hasattr(module, a.name)]
            missing += [f"{node.module}.{n}" for n in names if not (inside and find_spec(f"{node.module}.{n}"))]
    assert not missing
