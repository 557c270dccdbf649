"""Peak memory of a worker on a long video, beside the same run on a short one.

    python -m benchmarks.memory [--hours 2] [--size 1920x1080] [--baseline-minutes 2] [--keep FOLDER]

One minute of moving H.264 (a new look every ten seconds, so that there are shots) is encoded and repeated by stream
copy. For each video a process of its own imports what a worker imports, loads both models and runs
``worker.indexing.video.index_video`` with pictures; meanwhile its whole process tree is watched:
  worker    peak resident memory of the indexing process, as the kernel counted it (VmHWM)
  decoder   the same of the sandboxed child that decodes
  tree      largest sum of resident memory of all processes at one moment (pages that they share count twice)
``loaded`` is the worker before its first frame; ``vectors`` is what the vectors of the video must take in theory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import psutil

from benchmarks.figures import Figure, hand_over

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
SAMPLE_SECONDS = 0.1
SEGMENT_SECONDS = 60
FLOAT_BYTES = 4


def make_segment(path: Path, size: str, seconds: int) -> None:
    """Encodes the material that is repeated: testsrc2 with its hue turned at every tenth second."""
    source = f"testsrc2=size={size}:rate=25:duration={seconds}"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "lavfi", "-i", source,
        "-vf", "hue=h=70*floor(t/10)", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
        "-b:v", "3M", "-maxrate", "3M", "-bufsize", "6M", "-pix_fmt", "yuv420p", str(path),
    ]  # fmt: skip
    subprocess.run(command, check=True)


def repeat_segment(segment: Path, times: int, out: Path) -> None:
    """``times`` copies of the segment one after the other, without encoding again."""
    listing = out.with_suffix(".txt")
    listing.write_text(f"file '{segment.resolve()}'\n" * times)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", str(listing)]
    subprocess.run([*command, "-c", "copy", str(out)], check=True)
    listing.unlink()


def status_bytes(pid: int, name: str) -> int:
    """A field of /proc/PID/status in bytes; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def watch(process: subprocess.Popen[str]) -> dict[str, int]:
    """Peaks in bytes of the worker, the decoder and the tree until ``process`` ends."""
    peaks = {"worker": 0, "decoder": 0, "tree": 0}
    root = psutil.Process(process.pid)
    while process.poll() is None:
        together = 0
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for member in family:
            try:
                is_decoder = any("worker.media.decode.child" in word for word in member.cmdline())
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
            kind = "decoder" if is_decoder else "worker"
            peaks[kind] = max(peaks[kind], status_bytes(member.pid, "VmHWM"))
            together += status_bytes(member.pid, "VmRSS")
        peaks["tree"] = max(peaks["tree"], together)
        time.sleep(SAMPLE_SECONDS)
    return peaks


def measure(video: Path, threads: int) -> dict[str, Any]:
    """Indexes ``video`` in a process of its own; megabytes (MiB), seconds and counts. Raises SystemExit if it fails."""
    with tempfile.TemporaryDirectory(prefix="vsearch-bench-") as folder:
        command = [sys.executable, "-m", "benchmarks.memory", "--index", str(video), "--keep", folder]
        # A data folder of its own: importing the settings must not touch a real library.
        environment = os.environ | {"VSEARCH_DATA_DIR": folder, "OMP_NUM_THREADS": str(threads)}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        try:
            peaks = watch(process)
            said, _ = process.communicate()
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise SystemExit(f"indexing {video.name} failed, see above")
    report: dict[str, Any] = json.loads(said.splitlines()[-1])
    report |= {f"{name}_mb": round(value / MIB, 1) for name, value in peaks.items()}
    # The indexing process asked the kernel last, after its final frame.
    report["worker_mb"] = max(report["worker_mb"], report.pop("own_peak_mb"))
    return report


def index_one(video: Path, folder: Path) -> dict[str, Any]:
    """What a worker does with one video, without its database."""
    import worker.app
    import worker.tasks.ingest  # noqa: F401
    from worker.embedders.registry import load_copy, load_semantic
    from worker.indexing.video import index_video

    semantic, copy = load_semantic(ROOT / "models" / "semantic", "bundled", ""), load_copy(ROOT / "models" / "copy")
    loaded = status_bytes(os.getpid(), "VmRSS")
    started = time.perf_counter()
    result = index_video(video, semantic=semantic, copy=copy, folder=folder / "derived")
    seconds = time.perf_counter() - started
    looks = result.fingerprint.looks() if result.fingerprint else ()
    numbers = sum(look.vectors.size for look in looks) + len(result.clips) * semantic.spec.dim
    return {
        "seconds": round(seconds, 1),
        "video_seconds": round(result.duration, 1),
        "sampled": len(result.times),
        "clips": len(result.clips),
        "shots": len(result.shots),
        "vectors_mb": round(numbers * FLOAT_BYTES / MIB, 2),
        "loaded_mb": round(loaded / MIB, 1),
        "own_peak_mb": round(status_bytes(os.getpid(), "VmHWM") / MIB, 1),
    }


def run(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    segment = folder / "segment.mp4"
    seconds = min(SEGMENT_SECONDS, max(1, round(options.baseline_minutes * 60)))
    started = time.perf_counter()
    make_segment(segment, options.size, seconds)
    report: dict[str, Any] = {"size": options.size, "cores": os.cpu_count(), "threads": options.threads}
    for name, wanted in (("baseline", options.baseline_minutes * 60), ("long", options.hours * 3600)):
        video = folder / f"{name}.mp4"
        repeat_segment(segment, max(1, round(wanted / seconds)), video)
        made = round(time.perf_counter() - started, 1)
        report[name] = {"made_in_s": made, "file_mb": round(video.stat().st_size / MIB, 1)}
        report[name] |= measure(video, options.threads)
        video.unlink()
        started = time.perf_counter()
    return report


def table(report: dict[str, Any]) -> str:
    names = [
        "video s",
        "sampled",
        "wall s",
        "loaded MB",
        "worker peak MB",
        "decoder peak MB",
        "tree peak MB",
        "vectors MB",
    ]
    lines = [f"| run | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for name in ("baseline", "long"):
        r = report[name]
        cells = [r["video_seconds"], r["sampled"], r["seconds"], r["loaded_mb"], r["worker_mb"], r["decoder_mb"],
                 r["tree_mb"], r["vectors_mb"]]  # fmt: skip
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--baseline-minutes", type=float, default=2.0)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, help="work here instead of a temporary folder (2.8 GB for two hours)")
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)  # the process that is watched
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.index:
        print(json.dumps(index_one(options.index, options.keep)))
        return
    with tempfile.TemporaryDirectory(prefix="vsearch-bench-", dir=options.keep) as folder:
        report = run(options, Path(folder))
    short, long = report["baseline"], report["long"]
    baseline = f"{short['video_seconds']:.0f} s of video"
    what = f"peak of a worker, {long['video_seconds']:.0f} s of video"
    hand_over(Figure(what, long["worker_mb"], "MB", baseline, short["worker_mb"]))
    print(json.dumps(report, indent=2) if options.json else table(report))


if __name__ == "__main__":
    main()
