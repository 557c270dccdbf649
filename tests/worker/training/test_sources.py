"""Readers of other formats, and the command that makes a manifest of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from worker.training.data.formats import FORMATS, guess_format
from worker.training.data.items import Item, ManifestError
from worker.training.data.manifest import read_manifest
from worker.training.sources import main, read_source


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("video0.mp4", "video1.avi", "1.jpg", "2.jpg", "yt-A_b_10_20.avi", "yt-A_b_30_40.avi"):
        (folder / name).write_bytes(b"x")
    return folder


def source(tmp_path: Path, content: object, name: str = "source.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


MSRVTT = {
    "videos": [
        {"video_id": "video0", "split": "train", "url": "https://youtu.be/1"},
        {"video_id": "video1", "split": "test", "url": "https://youtu.be/1"},
        {"video_id": "video2", "split": "test"},
        {"split": "test"},
    ],
    "sentences": [
        {"video_id": "video0", "caption": "a dog"},
        {"video_id": "video1", "caption": "a cat"},
        {"video_id": "video0", "caption": "a dog runs"},
        {"video_id": "video2", "caption": "nobody has it"},
        {"video_id": "video9", "caption": "of nothing"},
        {"caption": "of nobody"},
    ],
}


def test_msrvtt_joins_sentences_to_videos_and_groups_cuts_of_one_upload(tmp_path: Path, media: Path) -> None:
    items, problems = read_source(source(tmp_path, MSRVTT), "msrvtt", media=media)
    assert items == [
        Item("video0", ("a dog", "a dog runs"), media / "video0.mp4", group="https://youtu.be/1"),
        Item("video1", ("a cat",), media / "video1.avi", group="https://youtu.be/1"),
    ]
    assert sorted((p.id, p.code) for p in problems) == [
        ("", "schema"),
        ("", "schema"),
        ("video2", "missing"),
        ("video9", "missing"),
    ]
    only, _ = read_source(source(tmp_path, MSRVTT), "msrvtt", media=media, split="test")
    assert [item.id for item in only] == ["video1"]


def test_msvd_lines_are_captions_and_an_upload_is_a_group(tmp_path: Path, media: Path) -> None:
    text = "# from the paper\n\nyt-A_b_10_20 a dog\nyt-A_b_30_40 a cat\nyt-A_b_10_20 a dog runs\nnonsense\n"
    items, problems = read_source(source(tmp_path, text, "all.txt"), "msvd", media=media)
    assert items == [
        Item("yt-A_b_10_20", ("a dog", "a dog runs"), media / "yt-A_b_10_20.avi", group="yt-A_b"),
        Item("yt-A_b_30_40", ("a cat",), media / "yt-A_b_30_40.avi", group="yt-A_b"),
    ]
    assert [(p.line, p.code) for p in problems] == [(6, "schema")]


def test_both_flickr_styles_give_the_same_pictures(tmp_path: Path, media: Path) -> None:
    plain = {"1.jpg": ["a dog", "a dog runs"], "2.jpg": ["a cat"], "video0.mp4": ["a bird"], "3.jpg": ["gone"]}
    karpathy = {
        "dataset": "flickr8k",
        "images": [
            {"filename": "1.jpg", "split": "train", "sentences": [{"raw": "a dog"}, {"raw": "a dog runs"}]},
            {"filename": "2.jpg", "split": "val", "sentences": [{"raw": "a cat"}]},
            {"filename": "3.jpg", "split": "val", "sentences": [{"raw": "gone"}]},
            {"filename": "4.jpg"},
        ],
    }
    pictures = [
        Item("1.jpg", ("a dog", "a dog runs"), None, (media / "1.jpg",)),
        Item("2.jpg", ("a cat",), None, (media / "2.jpg",)),
    ]
    items, problems = read_source(source(tmp_path, plain), "flickr", media=media)
    assert items == [*pictures, Item("video0.mp4", ("a bird",), media / "video0.mp4")]
    assert [(p.id, p.code) for p in problems] == [("3.jpg", "missing")]
    items, problems = read_source(source(tmp_path, karpathy), "flickr", media=media)
    assert items == pictures
    assert [(p.id, p.code) for p in problems] == [("", "schema"), ("3.jpg", "missing")]
    assert [i.id for i in read_source(source(tmp_path, karpathy), "flickr", media=media, split="val")[0]] == ["2.jpg"]


def test_lists_of_frames(tmp_path: Path, media: Path) -> None:
    data = {"7": {"frames": ["1.jpg", "2.jpg"], "captions": ["a dog", " "]}, "8": {"frames": "1.jpg", "captions": []}}
    items, problems = read_source(source(tmp_path, data), "frames", media=media)
    assert items == [Item("7", ("a dog",), None, (media / "1.jpg", media / "2.jpg"))]
    assert [(p.id, p.code) for p in problems] == [("8", "schema"), ("7", "caption")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_in_any_delimiter_a_row_a_caption(tmp_path: Path, media: Path, delimiter: str) -> None:
    rows = [
        ["Key", "Video", "Caption", "Group", "Weight"],
        ["1", "video0.mp4", f'"a dog{delimiter} a ""cat"""', "g", ""],
        ["2", "video1", "a bird", "", "0.5"],
        ["3", "video0.mp4", "two dogs", "g", "1"],
        ["4", "video0.mp4", "liked", "g", "0.5"],
        ["5", "video0.mp4", "elsewhere", "h", "1"],
        ["6", "", "nothing", "", ""],
        ["7", "video1", "x", "", "much"],
        ["8"],
    ]
    text = "\ufeff" + "\r\n".join(delimiter.join(row) for row in rows) + "\r\n\r\n"
    items, problems = read_source(source(tmp_path, text, "t.csv"), "csv", media=media)
    read = " ".join(f'a dog{delimiter} a "cat"'.split())
    assert items == [
        Item(
            "video0.mp4",
            (read, "two dogs"),
            media / "video0.mp4",
            group="g",
        ),
        Item("video1", ("a bird",), media / "video1.avi", weight=0.5),
        Item("video0.mp4@0.5", ("liked",), media / "video0.mp4", group="g", weight=0.5),
    ]
    assert [(p.line, p.code) for p in problems] == [(6, "duplicate"), (7, "media"), (8, "weight"), (9, "schema")]


def test_a_name_that_two_files_have_is_not_guessed(tmp_path: Path, media: Path) -> None:
    (media / "video0.mkv").write_bytes(b"x")
    items, problems = read_source(source(tmp_path, "video,caption\nvideo0,a dog\n", "t.csv"), "csv", media=media)
    assert items == []
    assert "video0.mkv or video0.mp4" in problems[0].message


def test_a_folder_with_texts_beside_the_videos(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("a.mp4", "b.mp4", "deep/c.mkv", "alone.mp4", "latin.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.txt").write_text("a dog\n\na dog runs\n")
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nnot read\n")
    (tmp_path / "b.srt").write_text(
        "1\n00:00:00,000 --> 00:00:01,000\n<i>hello</i>\nthere\n\n2\n00:00:02,000 --> 00:00:03,000\nhello there\n"
    )
    (tmp_path / "deep/c.vtt").write_text(
        "WEBVTT\n\n00:01.000 --> 00:02.500\nshort time\n\n01:00:00.000 --> 01:00:01.000\nlong time\n"
    )
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    items, problems = read_source(tmp_path, "folder")
    assert items == [
        Item("a.mp4", ("a dog", "a dog runs"), tmp_path / "a.mp4"),
        Item("b.mp4", ("hello there",), tmp_path / "b.mp4", weight=0.5, origin="subtitle"),
        Item("deep/c.mkv", ("short time", "long time"), tmp_path / "deep/c.mkv", weight=0.5, origin="subtitle"),
    ]
    assert sorted((p.id, p.code) for p in problems) == [("alone.mp4", "captions"), ("latin.mp4", "encoding")]


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "folder"])
@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, "", "just words\nand more", "{", '"a\n', "video,caption,\0"])
def test_a_file_of_another_format_is_refused_and_not_half_read(tmp_path: Path, name: str, content: object) -> None:
    with pytest.raises(ManifestError) as refused:
        read_source(source(tmp_path, content), name)
    assert refused.value.code in {"schema", "json", "empty_data", "encoding"}
    assert "source.json" in refused.value.message


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "folder"])
def test_wrong_encodings_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "source.json"
    for data in ('{"1.jpg": ["café"]}'.encode("latin-1"), '{"1.jpg": ["café"]}'.encode("utf-16")):
        path.write_bytes(data)
        with pytest.raises(ManifestError) as refused:
            read_source(path, name)
        assert refused.value.code == "encoding"


def test_what_cannot_be_asked_is_said(tmp_path: Path, media: Path) -> None:
    path = source(tmp_path, {"1.jpg": ["a dog"]})
    for name, arguments, words in (
        ("tfds", {}, "there are csv"),
        ("flickr", {"media": tmp_path / "gone"}, "--media"),
        ("flickr", {"split": "train"}, "no splits"),
        ("folder", {}, "is not a folder"),
    ):
        with pytest.raises(ManifestError, match=words):
            read_source(path, name, **arguments)
    with pytest.raises(ManifestError, match="pickle"):
        read_source(source(tmp_path, "x", "raw-captions.pkl"), "flickr", media=media)


def test_the_reader_that_is_proposed_reads_the_file(tmp_path: Path, media: Path) -> None:
    for content in (
        MSRVTT,
        {"1.jpg": ["a dog"]},
        {"7": {"frames": ["1.jpg"], "captions": ["a dog"]}},
        "video,caption\nvideo0,a dog\n",
        "yt-A_b_10_20 a dog\n",
    ):
        path = source(tmp_path, content)
        found = guess_format(path)
        assert found is not None
        assert read_source(path, found.name, media=media)[0]


def test_the_command_writes_a_manifest_that_reads_again(
    tmp_path: Path, media: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "manifest.jsonl"
    path = source(tmp_path, {"1.jpg": ["a dog"], "2.jpg": ["a cat"], "3.jpg": ["gone"]})
    assert main(["--format", "flickr", os.fspath(path), "--media", os.fspath(media), "--out", os.fspath(out)]) == 0
    told = capsys.readouterr()
    assert "2 items, 2 captions, 1 problems" in told.out
    assert "3.jpg" in told.err
    items, problems = read_manifest(out)
    assert ([item.id for item in items], problems) == (["1.jpg", "2.jpg"], [])
    assert main(["--format", "msrvtt", os.fspath(path), "--out", os.fspath(out)]) == 1
    assert "another schema" in capsys.readouterr().err
