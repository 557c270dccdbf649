"""Which edits the copy descriptor survives, beside two perceptual hashes, on a folder of real clips.

Every clip gives a few frames; each is edited and looked up among all original frames. A look-up is right when the
nearest original comes from the same clip (or the same family of transcodes: names that start alike).

    python -m benchmarks.copy_descriptor CLIPS_FOLDER [--frames 5] [--speed]
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from benchmarks.clip_families import SUFFIXES, family
from benchmarks.figures import Figure, hand_over
from worker.embedders.copies.borders import NO_BORDERS
from worker.embedders.copies.descriptor import SIDE, CopyDescriptor, CopyNet
from worker.embedders.copies.quality import MIN_QUALITY, frame_quality

Picture = Image.Image
Edit = Callable[[Picture, Picture], Picture]  # (frame, frame of another clip) -> edited frame
LOSSY = 25


def read_frames(path: Path, count: int) -> list[Picture]:
    """``count`` frames spread over the clip, short side at most 256 px."""
    with av.open(str(path)) as container:
        kept = [f.to_image() for i, f in enumerate(container.decode(video=0)) if i % 12 == 0]
    picked = [kept[int(i)] for i in np.linspace(0, len(kept) - 1, min(count, len(kept)))]
    for image in picked:
        image.thumbnail((456, 456) if image.width != image.height else (256, 256), Image.Resampling.BILINEAR)
    return picked


def jpeg(quality: int) -> Edit:
    def edit(image: Picture, _: Picture) -> Picture:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return edit


def crop(left: float, top: float, right: float, bottom: float) -> Edit:
    def edit(image: Picture, _: Picture) -> Picture:
        width, height = image.size
        return image.crop((int(left * width), int(top * height), int(right * width), int(bottom * height)))

    return edit


def tall_crop(image: Picture, _: Picture) -> Picture:
    width = image.height * 9 // 16
    left = max(0, (image.width - width) // 2)
    return image.crop((left, 0, min(image.width, left + width), image.height))


def bars(image: Picture, _: Picture) -> Picture:
    canvas = Image.new("RGB", (image.width, int(image.height * 1.5)))
    canvas.paste(image, (0, image.height // 4))
    return canvas


def blurred_bars(image: Picture, _: Picture) -> Picture:
    canvas = image.resize((image.width, image.width * 16 // 9)).filter(ImageFilter.GaussianBlur(12))
    canvas.paste(image, (0, (canvas.height - image.height) // 2))
    return canvas


def logo(image: Picture, _: Picture) -> Picture:
    image = image.copy()
    size = image.height // 5
    ImageDraw.Draw(image).ellipse((8, 8, 8 + size, 8 + size), fill=(230, 40, 40), outline=(255, 255, 255), width=3)
    return image


def caption(image: Picture, _: Picture) -> Picture:
    image = image.copy()
    font = ImageFont.load_default(max(10, image.height // 9))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, image.height * 0.78, image.width, image.height), fill=(0, 0, 0))
    draw.text((10, image.height * 0.82), "WAIT FOR THE END", font=font, fill=(255, 255, 255))
    return image


def split(image: Picture, other: Picture) -> Picture:
    canvas = Image.new("RGB", image.size)
    half = image.width // 2
    canvas.paste(image.resize((half, image.height)), (0, 0))
    canvas.paste(other.resize((image.width - half, image.height)), (half, 0))
    return canvas


def stacked_crops(image: Picture, other: Picture) -> Picture:
    canvas = Image.new("RGB", image.size)
    half, quarter = image.height // 2, image.height // 4
    canvas.paste(image.crop((0, quarter, image.width, quarter + half)), (0, 0))
    canvas.paste(other.resize(image.size).crop((0, quarter, image.width, quarter + half)), (0, half))
    return canvas


def inset(share: float) -> Edit:
    def edit(image: Picture, other: Picture) -> Picture:
        canvas = other.resize(image.size)
        size = (int(image.width * share), int(image.height * share))
        canvas.paste(image.resize(size), (image.width - size[0] - 10, image.height - size[1] - 10))
        return canvas

    return edit


def host(image: Picture, other: Picture) -> Picture:
    """The frame with another one pasted into its corner: a reaction video."""
    return inset(0.35)(other.resize(image.size), image)


def noisy(image: Picture, _: Picture) -> Picture:
    noise = np.random.default_rng(0).normal(0, 22, (image.height, image.width, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def screen(image: Picture, _: Picture) -> Picture:
    width, height = image.size
    corners = (0.06 * width, 0.1 * height, 0, 0.97 * height, width, height, 0.9 * width, -0.02 * height)
    tilted = image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BILINEAR)
    return ImageEnhance.Contrast(tilted.filter(ImageFilter.GaussianBlur(1.2))).enhance(0.75)


EDITS: dict[str, Edit] = {
    "same frame": lambda image, _: image,
    "jpeg 25": jpeg(LOSSY),
    "half size, blur": lambda i, _: i.resize((i.width // 2, i.height // 2)).filter(ImageFilter.GaussianBlur(1.5)),
    "brightness x1.4": lambda i, _: ImageEnhance.Brightness(i).enhance(1.4),
    "dark x0.45": lambda i, _: ImageEnhance.Brightness(i).enhance(0.45),
    "saturation x2": lambda i, _: ImageEnhance.Color(i).enhance(2.0),
    "gray": lambda i, _: i.convert("L").convert("RGB"),
    "logo": logo,
    "caption bar": caption,
    "crop 20 %": crop(0.1, 0.1, 0.9, 0.9),
    "crop 40 %": crop(0.2, 0.2, 0.8, 0.8),
    "off-centre crop": crop(0.35, 0.3, 1.0, 1.0),
    "9:16 crop": tall_crop,
    "letterbox": bars,
    "blurred bars": blurred_bars,
    "mirror": lambda i, _: i.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "rotate 5": lambda i, _: i.rotate(5, Image.Resampling.BILINEAR),
    "rotate 90": lambda i, _: i.transpose(Image.Transpose.ROTATE_90),
    "rotate 180": lambda i, _: i.transpose(Image.Transpose.ROTATE_180),
    "noise": noisy,
    "filmed screen": screen,
    "split screen": split,
    "stacked halves": stacked_crops,
    "picture in picture 50 %": inset(0.5),
    "picture in picture 35 %": inset(0.35),
    "host of an inset": host,
}
COMPOSITES = {
    "split screen",
    "stacked halves",
    "picture in picture 50 %",
    "picture in picture 35 %",
    "host of an inset",
}


def dct_hash(images: list[Picture]) -> np.ndarray:
    """PDQ-like: 16 x 16 low frequencies of 64 x 64 brightness, above or below their median; (N, 256) of +-1/16."""
    k, n = np.arange(1, 17)[:, None], np.arange(64)[None]
    basis = np.cos(np.pi * k * (2 * n + 1) / 128)
    small = np.stack([np.asarray(i.convert("L").resize((64, 64), Image.Resampling.BOX), float) for i in images])
    waves = (basis @ small @ basis.T).reshape(len(images), -1)
    return np.where(waves > np.median(waves, 1, keepdims=True), 1.0, -1.0) / 16


def difference_hash(images: list[Picture]) -> np.ndarray:
    """dHash: brighter than the left neighbour on 9 x 8; (N, 64) of +-1/8."""
    small = np.stack([np.asarray(i.convert("L").resize((9, 8), Image.Resampling.BOX), float) for i in images])
    return np.where(small[:, :, 1:] > small[:, :, :-1], 1.0, -1.0).reshape(len(images), -1) / 8


def percentiles(values: np.ndarray) -> str:
    return "  ".join(f"p{p:g} {np.percentile(values, p):+.2f}" for p in (1, 5, 25, 50, 75, 95, 99, 99.9))


def compare(clips: list[Path], count: int, descriptor: CopyDescriptor) -> None:
    frames, owner = [], []
    for clip in clips:
        taken = read_frames(clip, count)
        frames += taken
        owner += [family(clip)] * len(taken)
    quality = frame_quality([np.asarray(f) for f in frames])
    keep = np.flatnonzero(quality >= MIN_QUALITY)
    print(f"{len(frames)} frames of {len(clips)} clips, {len(set(owner))} sources; {len(keep)} pass MIN_QUALITY")
    frames = [frames[i] for i in keep]
    names = np.array(owner)[keep]
    lender = np.array(
        [
            next(j % len(names) for j in range(i + 7, i + 7 + len(names)) if names[j % len(names)] != names[i])
            for i in range(len(names))
        ]
    )  # the frame of another source that a composite shows as well
    others = [frames[j] for j in lender]
    encoders: dict[str, Callable[[list[Picture]], np.ndarray]] = {
        "ours": lambda pictures: np.concatenate([descriptor.encode_frames([np.asarray(p)]) for p in pictures]),
        "DCT hash": dct_hash,
        "dHash": difference_hash,
    }
    references = {name: encode(frames) for name, encode in encoders.items()}
    same = names[:, None] == names[None]
    unrelated = (references["ours"] @ references["ours"].T)[~same]
    print(f"\n| edit | {' | '.join(encoders)} | ours, true pairs p5 / p50 | best unrelated p50 |")
    print("|---|---|---|---|---|---|")
    true_pairs = []
    right: dict[str, list[float]] = {name: [] for name in encoders}
    for edit_name, edit in EDITS.items():
        edited = [edit(frame, other) for frame, other in zip(frames, others, strict=True)]
        cells = []
        for name, encode in encoders.items():
            similarity = encode(edited) @ references[name].T
            if edit_name in COMPOSITES:
                # The source that lends the rest of a composite is in the picture too: not an error, not a find.
                similarity = np.where(names[lender][:, None] == names[None], -1, similarity)
            right[name].append(100 * float((names[similarity.argmax(1)] == names).mean()))
            cells.append(f"{right[name][-1]:.0f}")
            if name == "ours":
                pairs, strangers = similarity.diagonal(), np.where(same, -1, similarity).max(1)
        true_pairs.append(pairs)
        five, half = np.percentile(pairs, (5, 50))
        print(f"| {edit_name} | {' | '.join(cells)} | {five:.2f} / {half:.2f} | {np.median(strangers):.2f} |")
    ours = float(np.mean(right["ours"]))
    for name in ("DCT hash", "dHash"):
        hand_over(
            Figure("nearest frame is of the source, mean of all edits", ours, "%", name, float(np.mean(right[name])))
        )
    # Sources of one folder were often filmed on one set: other takes of one scene are the hardest strangers.
    set_of = np.array([name.split("/")[0] for name in names])
    apart = (references["ours"] @ references["ours"].T)[set_of[:, None] != set_of[None]]
    print(f"\nunrelated frames  {percentiles(unrelated)}")
    if len(apart):
        print(f"of other folders  {percentiles(apart)}")
    print(f"true pairs        {percentiles(np.concatenate(true_pairs))}")
    background = descriptor.background()
    print(f"nearest background {percentiles((references['ours'] @ background.T).max(1))}")


def speed(descriptor: CopyDescriptor, threads: int) -> None:
    """Frames a second from decoded 456 x 256 frames to descriptors, beside the plain module frame by frame."""
    torch.set_num_threads(threads)
    frames = np.random.default_rng(0).integers(0, 256, (512, 256, 456, 3), dtype=np.uint8)
    plain = CopyNet().eval()

    def one_by_one() -> None:
        for frame in frames[:128]:
            small = np.asarray(Image.fromarray(frame).resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32) / 255
            with torch.no_grad():
                plain(torch.from_numpy(small).permute(2, 0, 1)[None])

    for label, work, count in (
        ("plain loop", one_by_one, 128),
        ("encode_frames", lambda: descriptor.encode_frames(frames, NO_BORDERS), 512),
        ("encode_frames with border search", lambda: descriptor.encode_frames(frames), 512),
        ("frame_quality", lambda: frame_quality(frames), 512),
    ):
        work()
        started, cpu = time.perf_counter(), time.process_time()
        work()
        wall, busy = time.perf_counter() - started, time.process_time() - cpu
        print(f"{label}: {count / wall:.0f} frames/s wall, {count / busy:.0f} frames a CPU second, {threads} threads")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("--frames", type=int, default=5, help="frames of each clip")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--speed", action="store_true", help="measure speed instead")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    descriptor = CopyDescriptor(args.weights) if args.weights else CopyDescriptor()
    if args.speed:
        speed(descriptor, args.threads)
        return
    clips = sorted(p for p in args.clips.rglob("*") if p.suffix in SUFFIXES)
    if not clips:
        raise SystemExit(f"no clips ({', '.join(sorted(SUFFIXES))}) in {args.clips}")
    compare(clips, args.frames, descriptor)


if __name__ == "__main__":
    main()
