"""What the layout promises beside the contracts of import-linter: no function takes a crowd of parameters."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("apps", "vsearch", "worker", "demo", "benchmarks")
MOST_PARAMETERS = 7  # beyond that, things that travel together want a type


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = function.args
    names = [a.arg for a in arguments.posonlyargs + arguments.args + arguments.kwonlyargs]
    names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [name for name in names if name not in {"self", "cls"}]


def test_no_function_takes_eight_parameters_or_more() -> None:
    crowded = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"
        for folder in FOLDERS
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(_parameters(node)) > MOST_PARAMETERS
    ]
    assert crowded == []
