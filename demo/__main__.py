"""``python -m demo OUT [--seed N] [--clips N] [--copies N] [--workers N]``: renders the demonstration library."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from demo.copies import EDITS
from demo.encode import RenderError
from demo.library import DEFAULT_SEED, render_library
from demo.recipes import LIBRARY_CLIPS


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="Renders the demonstration library by code.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--clips", type=int, default=LIBRARY_CLIPS)
    parser.add_argument("--copies", type=int, default=len(EDITS))
    parser.add_argument("--workers", type=int, default=None, help="processes; as many as there are cores unless said")
    options = parser.parse_args(arguments)
    began = time.monotonic()

    def show(done: int, total: int, file: str) -> None:
        print(f"\r{done} of {total} files, {time.monotonic() - began:.0f} s  {file[:40]:<40}", end="", flush=True)

    try:
        manifest = render_library(
            options.out,
            seed=options.seed,
            workers=options.workers,
            progress=show,
            clips=options.clips,
            copies=options.copies,
        )
    except RenderError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - began
    print(f"\n{len(manifest.clips)} clips and {len(manifest.copies)} edited copies in {options.out}, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
