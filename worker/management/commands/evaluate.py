"""Measure search and copy detection on manifests: ``evaluate retrieval`` and ``evaluate copies``.

evaluate retrieval --manifest FILE [--model bundled|NAME|FOLDER] [--json]
evaluate copies --manifest FILE [--aligner NAME] [--sampling NAME] [--json]

Needs no running server, and a database only for the NAME of an installed version.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.plain import escaped, json_text
from worker.management import evaluating_copies

if TYPE_CHECKING:  # these load torch, which `manage.py help` does not need
    from worker.embedders.base import Embedder
    from worker.training.data.items import Item, Problem
    from worker.training.measuring import ManifestScores

BUNDLED = "bundled"
DRAW_SECONDS = 0.2


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        subjects = parser.add_subparsers(dest="subject", required=True)
        retrieval = subjects.add_parser(
            "retrieval",
            help="text to video and video to text: R@1, R@5, R@10, median and mean rank, mAP",
            description="Text to video and video to text on a manifest. A line of it: "
            '{"id": "1", "video": PATH, "captions": ["..."]} or with "frames": [PATHS]. Recalls and mAP are in per '
            "cent, ties count against the model, and a video scores by its best clip.",
        )
        retrieval.add_argument("--manifest", type=Path, required=True, help="JSON lines; paths count from its folder")
        retrieval.add_argument(
            "--model",
            default=BUNDLED,
            help="bundled (default), a folder, or an installed version as in `model list`",
        )
        retrieval.add_argument("--json", action="store_true", help="print JSON instead of a table")

        copies = subjects.add_parser(
            "copies",
            help="copy detection: micro-AP, VCSL and VSC2022 segment scores, FRR and FAR, by edit",
            description="Every query is compared with every reference. The manifest: "
            '{"references": [{"id": "a", "video": PATH}], "queries": [{"id": "q", "video": PATH, "segments": '
            '[{"reference": "a", "query": [0, 5], "reference_span": [10, 15], "edit": "mirror"}]}]}. '
            "A query without segments is a negative.",
        )
        evaluating_copies.add_arguments(copies)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["subject"] == "copies":
            evaluating_copies.run(options, self.stdout, self.stderr)
        else:
            self._retrieval(options)

    def _retrieval(self, options: dict[str, Any]) -> None:
        from worker.training.data.items import ManifestError
        from worker.training.data.manifest import read_manifest
        from worker.training.measuring import NothingMeasured

        problems: list[Problem] = []
        try:
            items, problems = read_manifest(options["manifest"])
            self._list(problems)
            if not items:
                raise NothingMeasured([])
            embedder = _embedder(options["model"])
            measured = self._measure(items, embedder)
        except ManifestError as error:
            raise self._refusal(options, error.code, error.message, problems) from error
        except NothingMeasured as error:
            self._list(error.problems)
            problems = [*problems, *error.problems]
            raise self._refusal(options, "empty_data", f"{error} See the problems above.", problems) from error
        self._list(measured.problems)
        self._print(options, measured, [*problems, *measured.problems], embedder)

    def _refusal(self, options: dict[str, Any], code: str, message: str, problems: Sequence[Problem]) -> CommandError:
        if options["json"]:
            told = {"error": {"code": code, "message": message}, "problems": _plain(problems)}
            self.stdout.write(json_text(told, indent=2))
        return CommandError(message)

    def _list(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.stderr.write(self.style.WARNING(f"left out: {escaped(str(problem))}"))

    def _measure(self, items: list[Item], embedder: Embedder) -> ManifestScores:
        from worker.training.measuring import measure

        drawn = 0.0

        def draw(number: int, fraction: float) -> None:
            nonlocal drawn
            if sys.stderr.isatty() and time.monotonic() - drawn > DRAW_SECONDS:
                drawn = time.monotonic()
                share = 100 * (number + fraction) / len(items)
                self.stderr.write(f"\r{share:3.0f} %  {escaped(items[number].id[:60])}\033[K", ending="")
                self.stderr.flush()

        try:
            return measure(items, embedder, on_progress=draw)
        except ValueError as error:
            raise CommandError(f"The model cannot be evaluated: {error}") from error
        finally:
            if sys.stderr.isatty():
                self.stderr.write("\r\033[K", ending="")

    def _print(
        self, options: dict[str, Any], measured: ManifestScores, problems: Sequence[Problem], embedder: Embedder
    ) -> None:
        from worker.training.data.manifest import manifest_sha256

        found = measured.as_dict()
        if not options["json"]:
            self.stdout.write(as_table(found, embedder.spec.name, len(problems)))
            return
        spec = embedder.spec
        found["model"] = {"name": spec.name, "revision": spec.revision, "weights_sha256": spec.weights_sha256}
        found["evaluated_sha256"] = manifest_sha256(measured.items)
        found["problems"] = _plain(problems)
        self.stdout.write(json_text(found, indent=2))


def _plain(problems: Sequence[Problem]) -> list[dict[str, Any]]:
    return [{"line": p.line or None, "id": p.id, "code": p.code, "message": p.message} for p in problems]


def as_table(found: dict[str, Any], model: str, problems: int) -> str:
    """For people: both directions, recalls with their intervals."""
    broken = f", {problems} problems" if problems else ""
    lines = [f"{model}: {found['n_videos']} videos, {found['n_queries']} captions{broken}"]
    lines.append(f"{'':<16}{'R@1':>24}{'R@5':>24}{'R@10':>24}{'median':>8}{'mean':>8}{'mAP':>7}")
    for way, title in (("t2v", "text to video"), ("v2t", "video to text")):
        scores, intervals = found[way], found.get("intervals", {}).get(way, {})
        cells = [
            f"{scores[k]:.1f}" + (" ({:.1f} to {:.1f})".format(*intervals[k]) if k in intervals else "")
            for k in ("r1", "r5", "r10")
        ]
        lines.append(
            f"{title:<16}" + "".join(f"{cell:>24}" for cell in cells)
            + f"{scores['mdr']:>8.1f}{scores['mnr']:>8.1f}{scores['map']:>7.1f}"
        )  # fmt: skip
    lines.append("Per cent, with 95 % intervals over videos; ranks count from 1.")
    return "\n".join(lines)


def _embedder(model: str) -> Embedder:
    """By name. Raises CommandError."""
    from worker.embedders.base import EmbedderError
    from worker.embedders.registry import load_semantic

    try:
        if model == BUNDLED:
            return load_semantic(Path(settings.BUNDLED_MODELS_DIR) / "semantic", BUNDLED, "")
        if (folder := Path(model).expanduser()).is_dir():
            return load_semantic(folder.resolve(), folder.resolve().name, "")
        return _installed(model)
    except EmbedderError as error:
        raise CommandError(str(error)) from error


def _installed(name: str) -> Embedder:
    """A version that the database knows, by its name (the newest that is ready) or the beginning of its id."""
    from django.db import Error, connection

    from apps.embeddings.models import ModelVersion
    from vsearch.postgres import embedded
    from worker.library.vectors import semantic_embedder

    try:
        with embedded.for_database():
            versions = ModelVersion.objects.filter(role=ModelVersion.Role.SEMANTIC).exclude(weights_sha256="")
            ready = [v for v in versions.order_by("-created_at") if name == v.name or str(v.id).startswith(name)]
            known = sorted({v.name for v in versions})
            if settings.EMBEDDED_DATABASE:
                connection.close()  # the server stops with its last user
    except (Error, embedded.EmbeddedProblem) as error:
        raise CommandError(
            f"{name} is neither 'bundled' nor a folder, and the database that may know it cannot be reached: {error}\n"
            "Name a model folder, or start the database and run `manage.py migrate`."
        ) from error
    if not ready:
        raise CommandError(
            f"There is no model called {name}: neither a folder nor an installed version. "
            f"Installed are: {', '.join(known) or 'none'}. `manage.py model list` shows them."
        )
    return semantic_embedder(ready[0])
