"""python -m benchmarks.edit_bench make|run: see --help of each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.edit_bench.edits import EDITS
from benchmarks.edit_bench.make import make_bench
from benchmarks.edit_bench.render import BenchError


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edit_bench", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    make = actions.add_parser("make", help="make the library, the edits and the manifest")
    make.add_argument("clips", type=Path)
    make.add_argument("out", type=Path)
    make.add_argument("--seed", type=int, default=0)
    make.add_argument("--split", choices=("dev", "test", "all"), default="all", help="which half of the families")
    make.add_argument("--edits", nargs="+", default=[], metavar="EDIT", help=f"only these: {', '.join(EDITS)}")
    make.add_argument("--limit", type=int, default=0, help="sources of each edit; 0: all")
    make.add_argument("--jobs", type=int, default=1, help="encoders at a time")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    try:
        split = None if args.split == "all" else args.split
        made = make_bench(args.clips, args.out, seed=args.seed, split=split, edits=args.edits, limit=args.limit,
                          jobs=args.jobs)  # fmt: skip
        negative = sum(not query["segments"] for query in made["queries"])
        print(f"{len(made['references'])} references, {len(made['queries'])} queries, {negative} of them negatives")
    except (BenchError, ValueError) as error:
        print(f"edit_bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
