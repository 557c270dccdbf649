"""Everything that training reads, made once: the image pack, the teacher's features, the sentence vectors."""

from __future__ import annotations

import argparse
from pathlib import Path

from worker.pretraining.imagesets import load_pack, pack_images
from worker.pretraining.semantic.sentences import cache_sentences
from worker.pretraining.semantic.teacher import cached_teacher_features

TEACHER = "mobilenet_v2_1.0_224_quant.tflite"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder of the archives and the teacher")
    parser.add_argument("--frames", type=Path, nargs="*", default=[], help="folders that demo.frames wrote")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pack_images(args.source, args.out, args.frames)
    images, rows = load_pack(args.out)
    cached_teacher_features(images, args.source / TEACHER, args.out / "teacher.npy")
    cache_sentences(rows, args.out)


if __name__ == "__main__":
    main()
