"""python -m benchmarks.edit_bench make|run: see --help of each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.edit_bench.edits import EDITS
from benchmarks.edit_bench.engines import PEERS
from benchmarks.edit_bench.make import Draw, make_bench
from benchmarks.edit_bench.render import BenchError
from benchmarks.edit_bench.run import OURS, as_table, run_bench, write_json
from benchmarks.figures import Figure, hand_over
from worker.evaluation.copy_manifest import CopyManifestError


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
    run = actions.add_parser("run", help="measure engines on a made bench")
    run.add_argument("out", type=Path)
    run.add_argument("--engines", nargs="+", default=[OURS, *PEERS], choices=[OURS, *PEERS], metavar="ENGINE",
                     help=f"{OURS}, {', '.join(PEERS)}; all by default")  # fmt: skip
    run.add_argument("--peers", nargs="+", type=Path, default=[], help="folders with the peers' packages")
    run.add_argument("--weights", type=Path, help="another copy descriptor")
    run.add_argument("--aligner")
    run.add_argument("--sampling", default="uniform")
    run.add_argument("--limit", type=int, default=0, help="queries of each edit; 0: all")
    run.add_argument("--json", type=Path, help="also write everything, all pair scores included, to this file")
    return parser.parse_args()


def _run(args: argparse.Namespace) -> None:
    results = run_bench(args.out, args.engines, args.peers, weights=args.weights, aligner=args.aligner,
                        sampling=args.sampling, limit=args.limit)  # fmt: skip
    first, *others = results
    what, sure = f"{first.name}, recall above every unrelated pair", 100 * (first.report.recall_at_zero_false or 0.0)
    own = f"at its own threshold, with {first.report.false_pairs} false pairs"
    hand_over(Figure(what, sure, "%", own, 100 * (1 - (first.report.frr or 0.0))))
    for peer in others:
        hand_over(Figure(what, sure, "%", peer.name, 100 * (peer.report.recall_at_zero_false or 0.0)))
    print(as_table(results))
    if args.json:
        write_json(results, args.json)


def main() -> int:
    args = _arguments()
    try:
        if args.action == "run":
            _run(args)
            return 0
        split = None if args.split == "all" else args.split
        draw = Draw(args.seed, split, args.edits, args.limit)
        made = make_bench(args.clips, args.out, draw, jobs=args.jobs)
        negative = sum(not query["segments"] for query in made["queries"])
        print(f"{len(made['references'])} references, {len(made['queries'])} queries, {negative} of them negatives")
    except (BenchError, CopyManifestError, ValueError) as error:
        print(f"edit_bench: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
