"""``evaluate copies``: arguments, progress and output around ``measure_copies``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper

from apps.core.plain import escaped, json_text

if TYPE_CHECKING:  # these load torch, which `manage.py help` does not need
    from worker.embedders.copies.descriptor import CopyDescriptor
    from worker.evaluation.copy_manifest import ManifestFault
    from worker.management.measure_copies import CopyFigures, Unreadable

DRAW_SECONDS = 0.2
LISTED = 50  # problems on stderr; JSON has them all


def add_arguments(parser: CommandParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="JSON; paths count from its folder")
    parser.add_argument("--aligner", help="how spans are found; the product's default when not given")
    parser.add_argument(
        "--sampling", default="uniform", help="uniform (default) or keyframes (only the frames that the selector keeps)"
    )
    parser.add_argument("--weights", type=Path, help="safetensors of another copy descriptor of the same shape")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(options: dict[str, Any], out: OutputWrapper, err: OutputWrapper) -> None:
    """Raises CommandError; with --json an error object stands on standard output as well."""
    import worker.detection  # noqa: F401  # makes the learned aligners known by name
    from worker.alignment import DEFAULT_ALIGNER
    from worker.evaluation.copy_manifest import CopyManifestError, read_copy_manifest
    from worker.management.measure_copies import measure_copies

    aligner = options["aligner"] or DEFAULT_ALIGNER
    _refuse_unknown(options, aligner, out)
    try:
        manifest = read_copy_manifest(options["manifest"])
        copy = _descriptor(options["weights"])
        tell, clear = _progress(err)
        try:
            measured = measure_copies(
                manifest, copy=copy, aligner=aligner, sampling=options["sampling"], on_progress=tell
            )
        finally:
            clear()
    except CopyManifestError as error:
        for fault in error.faults[:LISTED]:
            err.write(f"problem: {escaped(str(fault))}")
        if len(error.faults) > LISTED:
            err.write(f"and {len(error.faults) - LISTED} more")
        raise _refusal(options, out, error.code, error.message, error.faults) from error
    except FileNotFoundError as error:  # of the weights: the videos were looked at before
        raise _refusal(options, out, "weights", str(error)) from error
    for broken in measured.unreadable[:LISTED]:
        err.write(f"cannot be read, counts as {_counts_as(broken)}: {escaped(broken.id)}: {escaped(broken.message)}")
    if options["json"]:
        found = _as_json(measured, aligner, options["sampling"], copy)
        out.write(json_text(found, indent=2, allow_nan=False))
    else:
        out.write(as_table(measured, aligner, options["sampling"]))


def _refuse_unknown(options: dict[str, Any], aligner: str, out: OutputWrapper) -> None:
    from worker.alignment import aligner_names
    from worker.indexing.fingerprints import SAMPLINGS

    for code, asked, known in (("aligner", aligner, aligner_names()), ("sampling", options["sampling"], SAMPLINGS)):
        if asked not in known:
            message = f"There is no {code} called {asked!r}. Choose one of: {', '.join(known)}."
            raise _refusal(options, out, code, message)


def _descriptor(weights: Path | None) -> CopyDescriptor:
    from worker.embedders.copies.descriptor import CopyDescriptor

    if weights is None:
        return CopyDescriptor()
    if not weights.is_file():
        raise FileNotFoundError(f"There are no weights at {weights}. Name a safetensors file with --weights.")
    return CopyDescriptor(weights.resolve())


def _counts_as(broken: Unreadable) -> str:
    return "nothing found" if broken.role == "query" else "a library video that nothing can find"


def _refusal(
    options: dict[str, Any], out: OutputWrapper, code: str, message: str, faults: Sequence[ManifestFault] = ()
) -> CommandError:
    if options["json"]:
        told = {
            "error": {"code": code, "message": message},
            "problems": [{"where": f.where, "code": f.code, "message": f.message} for f in faults],
        }
        out.write(json_text(told, indent=2))
    return CommandError(message)


def _progress(err: OutputWrapper) -> tuple[Callable[[str, float], None], Callable[[], None]]:
    """(draw, clear) of one line on a terminal; nothing elsewhere."""
    drawn = 0.0
    terminal = sys.stderr.isatty()

    def draw(name: str, share: float) -> None:
        nonlocal drawn
        if terminal and time.monotonic() - drawn > DRAW_SECONDS:
            drawn = time.monotonic()
            err.write(f"\r{100 * share:3.0f} %  {escaped(name[:60])}\033[K", ending="")
            err.flush()

    def clear() -> None:
        if terminal:
            err.write("\r\033[K", ending="")

    return draw, clear


def _as_json(measured: CopyFigures, aligner: str, sampling: str, copy: CopyDescriptor) -> dict[str, Any]:
    found = measured.as_dict()
    found["aligner"], found["sampling"] = aligner, sampling
    found["descriptor"] = {"revision": copy.spec.revision, "weights_sha256": copy.spec.weights_sha256}
    found["problems"] = [
        {"role": b.role, "id": b.id, "code": b.code, "message": b.message} for b in measured.unreadable
    ]
    return found


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None, digits: int, unit: str) -> str:
    return "-" if value is None else f"{value:,.{digits}f} {unit}"


def as_table(measured: CopyFigures, aligner: str, sampling: str) -> str:
    """For people: the figures of the whole, then one line an edit."""
    report = measured.report
    precision, recall, f1 = report.vcsl
    lines = [
        f"{measured.pairs} pairs compared, {report.true_pairs} of them copies; {aligner}, {sampling} sampling",
        f"  videos    micro-AP {_share(report.micro_ap)}   missed (FRR) {_share(report.frr)}   "
        f"false (FAR) {_share(report.far)}: {report.false_pairs} of {report.unrelated_pairs} unrelated pairs",
        f"  segments  VCSL precision {_share(precision)}, recall {_share(recall)}, F1 {_share(f1)}   "
        f"VSC AP {_share(report.vsc_ap)}   boundary error {_number(report.boundary_error, 2, 's')} (median)",
        f"  library   {_number(measured.stored_frames_per_hour, 0, 'frames')} and "
        f"{_number(measured.bytes_per_hour, 0, 'bytes')} an hour of video",
        f"  time      {_number(measured.ms_per_pair, 2, 'ms a pair')}, "
        f"{_number(measured.seconds_per_query, 2, 's a query')} with decoding",
    ]
    if report.asset_pairs:
        said = f"{report.asset_pairs_reported} of {report.asset_pairs} pairs that share only an asset were reported"
        lines.append(f"  intros    {said}")
    if measured.unreadable:
        lines.append(f"  {len(measured.unreadable)} videos could not be read; they count as not found")
    if report.by_edit:
        lines.append(f"\n{'edit':<24}{'pairs':>7}{'recall':>10}{'no false':>10}{'F1':>10}{'boundary':>11}")
    for name, edit in report.by_edit.items():
        cells = (_share(edit.recall), _share(edit.recall_at_zero_false), _share(edit.f1))
        error = _number(edit.boundary_error, 2, "s")
        lines.append(f"{name[:23]:<24}{edit.pairs:>7}" + "".join(f"{cell:>10}" for cell in cells) + f"{error:>11}")
    if report.by_edit:
        lines.append("no false: recall with the threshold above every unrelated pair. boundary: median error.")
    return "\n".join(lines)
