"""Runs the benchmarks one after another and writes one table: ``make bench``.

    python -m benchmarks [--out build/bench] [--only ingest aligners ...]
    python -m benchmarks --full [--clips FOLDER] [--pack FOLDER] [--flickr FOLDER] [--peers FOLDER] [--runs FOLDER]

The first form needs no data: it renders the demo library and measures on it, in small sizes, in about 20 minutes on
two cores. ``--full`` measures in full sizes, with the data that is named; without any it lists what needs which. Each
benchmark is a process of its own; what it prints is kept in ``OUT/NAME.txt``. A benchmark that fails is named in the
table, the others are run, and the exit status is 1. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import VARIABLE, Figure, collected

ROOT = Path(__file__).parents[1]
DATA = {
    "clips": "a folder of real clips that no model was trained on",
    "flickr": "a folder with flickr8k_160.tar.gz",
    "pack": "a folder that worker.pretraining.semantic.pack wrote",
    "peers": "a folder with benchmarks/edit_bench/requirements.txt installed by pip --target",
    "runs": "a folder with the --out folders of the pretraining, named dml and transition",
}


@dataclass(frozen=True)
class Benchmark:
    """``small`` and ``full``: command lines of ``python -m``; {name} stands for a folder. Empty: not in that form."""

    name: str
    small: tuple[str, ...] = ()
    full: tuple[str, ...] = ()

    def lines(self, *, full: bool) -> tuple[str, ...]:
        return (self.full or self.small) if full else self.small

    def needs(self, *, full: bool) -> list[str]:
        return [name for name in DATA if any(f"{{{name}}}" in line for line in self.lines(full=full))]


BENCHMARKS = (
    Benchmark(
        "ingest", ("benchmarks.ingest {demo} --limit 12 --repeat 1",), ("benchmarks.ingest {clips} --repeat 3",)
    ),
    Benchmark("memory", ("benchmarks.memory --hours 0.1 --baseline-minutes 1",), ("benchmarks.memory",)),
    Benchmark("embed_speed", ("benchmarks.embed_speed --frames 128",), ("benchmarks.embed_speed",)),
    Benchmark(
        "retrieval",
        ("benchmarks.retrieval --demo {demo}",),
        ("benchmarks.retrieval --flickr {flickr} --demo {demo}",),
    ),
    Benchmark("search_latency", ("manage migrate", "benchmarks.search_latency")),
    Benchmark(
        "lookup_speed",
        ("manage migrate", "benchmarks.lookup_speed --frames 60000"),
        ("manage migrate", "benchmarks.lookup_speed"),
    ),
    Benchmark(
        "copy_descriptor",
        ("benchmarks.copy_descriptor {demo} --frames 2",),
        ("benchmarks.copy_descriptor {clips} --frames 3",),
    ),
    Benchmark(
        "edit_bench",
        (
            "benchmarks.edit_bench make {demo} {out}/edits --limit 1 --jobs 2",
            "benchmarks.edit_bench run {out}/edits --engines ours",
        ),
        (
            "benchmarks.edit_bench make {clips} {out}/edits --split test --limit 8 --jobs 2",
            "benchmarks.edit_bench run {out}/edits --peers {peers}",
        ),
    ),
    Benchmark("aligners", ("benchmarks.aligners --pairs 3 --repeats 3",), ("benchmarks.aligners",)),
    Benchmark(
        "keyframes",
        ("benchmarks.keyframes {demo} --references 3 --queries 12",),
        ("benchmarks.keyframes {clips} --demo {demo} --half test",),
    ),
    Benchmark(
        "transition",
        ("benchmarks.transition --clips {demo} --queries 12",),
        ("benchmarks.transition --pack {pack} --run {runs}/transition --clips {clips} --half test",),
    ),
    Benchmark(
        "grad_cache", ("benchmarks.grad_cache --sizes tiny --batches 32 128",), ("benchmarks.grad_cache",)
    ),
    Benchmark("training_speed", ("benchmarks.training_speed --seconds 2",), ("benchmarks.training_speed",)),
    Benchmark("methods", (), ("benchmarks.methods --pack {pack} --out {out}/methods",)),
    Benchmark("pdq", (), ("benchmarks.pdq {clips} --half test",)),
    Benchmark("dml", (), ("benchmarks.dml --pack {pack} --run {runs}/dml",)),
)  # fmt: skip


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--only", nargs="+", default=[], choices=[b.name for b in BENCHMARKS], metavar="NAME")
    parser.add_argument("--full", action="store_true")
    for name, what in DATA.items():
        parser.add_argument(f"--{name}", type=Path, help=f"with --full: {what}")
    return parser.parse_args()


def listing() -> str:
    """What each benchmark of the full form needs."""
    lines = ["Name the folders that you have; what lacks one is left out.", ""]
    lines += [f"  {name.upper()}=...  {what}" for name, what in DATA.items()]
    lines += ["", "  benchmark         needs"]
    for benchmark in BENCHMARKS:
        needed = ", ".join(name.upper() for name in benchmark.needs(full=True)) or "nothing"
        lines.append(f"  {benchmark.name:<16}  {needed}")
    return "\n".join(lines)


def run(benchmark: Benchmark, folders: dict[str, Path], *, full: bool) -> tuple[list[Figure], str]:
    """The figures, and why it failed if it did."""
    out = folders["out"]
    figures, said = out / f"{benchmark.name}.jsonl", out / f"{benchmark.name}.txt"
    figures.unlink(missing_ok=True)
    paths = [str(ROOT), *([str(folders["peers"])] if "peers" in folders else [])]
    environment = os.environ | {
        VARIABLE: str(figures),
        "VSEARCH_DATA_DIR": str(out / "data"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    with said.open("w", encoding="utf-8") as log:
        for line in benchmark.lines(full=full):
            module, *words = [word.format(**folders) for word in line.split()]
            code = subprocess.run(
                [sys.executable, "-m", module, *words], cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT
            ).returncode
            if code:
                return collected(figures), f"`{line}` ended with {code}, see {said.name}"
    return collected(figures), ""


def table(found: dict[str, list[Figure]], remarks: list[str]) -> str:
    lines = [
        "| benchmark | what | unit | vsearch | baseline of the same run | its figure | ratio |",
        "| --- | --- | --- | ---: | --- | ---: | ---: |",
    ]
    lines += [f"| {name} | {figure.row()} |" for name, figures in found.items() for figure in figures]
    return "\n".join([*lines, "", *(f"- {remark}" for remark in remarks)]) + "\n"


def main() -> int:
    options = arguments()
    given = {name: getattr(options, name).resolve() for name in DATA if getattr(options, name)}
    if options.full and not given and not options.only:
        print(listing())
        return 0
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    folders = {"out": out, "demo": out / "demo", **given}
    # Without its edited copies: for the benchmarks of copies every clip is a source of its own.
    subprocess.run([sys.executable, "-m", "demo", str(folders["demo"]), "--copies", "0"], cwd=ROOT, check=True)
    found: dict[str, list[Figure]] = {}
    remarks, failed = [f"{os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}"], False
    for benchmark in BENCHMARKS:
        if (options.only and benchmark.name not in options.only) or not benchmark.lines(full=options.full):
            continue
        missing = [name for name in benchmark.needs(full=options.full) if name not in folders]
        if missing:
            remarks.append(f"{benchmark.name} is left out: it needs {', '.join(name.upper() for name in missing)}")
            continue
        began = time.monotonic()
        found[benchmark.name], problem = run(benchmark, folders, full=options.full)
        failed |= bool(problem)
        remarks += [f"**{benchmark.name} failed**: {problem}"] if problem else []
        print(f"{benchmark.name}: {time.monotonic() - began:.0f} s{', ' + problem if problem else ''}", flush=True)
        (out / "table.md").write_text(table(found, remarks), encoding="utf-8")
    print(f"\n{table(found, remarks)}\nAlso in {out / 'table.md'}; what each one printed lies beside it.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
