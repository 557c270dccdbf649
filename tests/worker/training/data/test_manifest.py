"""Manifests: what is read, what is refused and with which words, what is hashed, how they are split."""

from __future__ import annotations

import hashlib
import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.training.data.items import Item, ManifestError
from worker.training.data.manifest import manifest_sha256, read_manifest, require_trainable, write_manifest
from worker.training.data.splits import split_items
from worker.training.data.splits import content_keys, source_numbers

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    return tmp_path


def written(folder: Path, *lines: object, encoding: str = "utf-8") -> Path:
    path = folder / "manifest.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_bytes("\n".join(texts).encode(encoding))
    return path


def a(**values: object) -> dict[str, object]:
    return {"id": "a", "video": "a.mp4", "captions": ["a dog runs"], **values}


def test_a_line_becomes_an_item_with_paths_from_the_manifests_folder(folder: Path) -> None:
    path = written(
        folder,
        a(),
        {"id": 7, "frames": ["1.jpg", str(folder / "2.jpg")], "captions": ["  two \n lines ", "一只狗"]},
        "",
        {"id": "f", "video": "b.mp4", "captions": ["x"], "group": 3, "weight": 0.25, "origin": "feedback", "more": 1},
    )
    items, problems = read_manifest(path)
    assert problems == []
    assert items == [
        Item("a", ("a dog runs",), folder / "a.mp4"),
        Item("7", ("two lines", "一只狗"), None, (folder / "1.jpg", folder / "2.jpg")),
        Item("f", ("x",), folder / "b.mp4", group="3", weight=0.25, origin="feedback"),
    ]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(folder: Path) -> None:
    path = folder / "manifest.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(a()).encode() + b"\r\n")
    assert read_manifest(path) == ([Item("a", ("a dog runs",), folder / "a.mp4")], [])


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("{", "json", "not JSON"),
        ('{"id": "x", "weight": NaN}', "json", "NaN"),
        ("[" * 100_000, "json", "not JSON"),
        (["a"], "schema", "not an object"),
        ({"video": "a.mp4", "captions": ["x"]}, "id", '"id" is missing'),
        (a(id=True), "id", '"id" is missing'),
        (a(id=" "), "id", '"id" is missing'),
        (a(id="ok"), "duplicate", "line 1"),
        ({"id": "x", "video": "a.mp4"}, "captions", "missing"),
        ({"id": "x", "video": "a.mp4", "caption": "a dog"}, "captions", 'Rename "caption"'),
        (a(id="x", captions="a dog"), "captions", "must be a list"),
        (a(id="x", captions=[]), "captions", "empty"),
        (a(id="x", captions=["  "]), "caption", "empty"),
        (a(id="x", captions=[3]), "caption", "not a text"),
        (a(id="x", captions=["cafÃ© au lait"]), "encoding", "café"),
        (a(id="x", captions=["caf\ufffd"]), "encoding", "replacement"),
        (r'{"id": "x", "video": "a.mp4", "captions": ["\ud800"]}', "encoding", "half a character"),
        (a(id="x", frames=["1.jpg"]), "media", "both"),
        ({"id": "x", "captions": ["x"]}, "media", "missing"),
        ({"id": "x", "frames": [], "captions": ["x"]}, "media", "missing"),
        ({"id": "x", "frames": "1.jpg", "captions": ["x"]}, "media", "must be a list"),
        (a(id="x", video="gone.mp4"), "missing", "gone.mp4"),
        (a(id="x", video="."), "missing", "no file"),
        (a(id="x", video="v" * 5000), "missing", "cannot be opened"),
        (a(id="x", video="a\0.mp4"), "path", "must be a text"),
        (a(id="x", video=["a.mp4"]), "path", "must be a text"),
        (a(id="x", video="https://example.org/a.mp4"), "path", "Download"),
        ({"id": "x", "frames": ["1.jpg", "9.jpg"], "captions": ["x"]}, "missing", "9.jpg"),
        (a(id="x", group=["g"]), "group", "must be a text"),
        (a(id="x", weight=0), "weight", "above 0"),
        (a(id="x", weight=True), "weight", "above 0"),
        (a(id="x", weight="1"), "weight", "above 0"),
        ('{"id": "x", "video": "a.mp4", "captions": ["x"], "weight": 1e999}', "weight", "above 0"),
        (a(id="x", origin="guess"), "origin", "feedback"),
    ],
)
def test_a_faulty_line_is_listed_with_its_number_and_the_others_stay(
    folder: Path, line: object, code: str, words: str
) -> None:
    items, problems = read_manifest(written(folder, a(id="ok"), line, a(id="last", video="b.mp4")))
    assert [item.id for item in items] == ["ok", "last"]
    assert [(p.line, p.code) for p in problems] == [(2, code)]
    assert words in problems[0].message


def test_an_empty_caption_among_others_is_listed_and_the_item_stays(folder: Path) -> None:
    items, problems = read_manifest(written(folder, a(captions=["", "a dog", None])))
    assert items[0].captions == ("a dog",)
    assert [(p.id, p.message) for p in problems] == [("a", "Caption 1 is empty."), ("a", "Caption 3 is not a text.")]


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "empty_data", "one item a line"),
        (b"\n \n", "empty_data", "one item a line"),
        (json.dumps(a()).encode("utf-16"), "encoding", "UTF-16"),
        (json.dumps(a()).encode("utf-16-le"), "encoding", "UTF-16"),
        ('{"id": "é"}\n'.encode("latin-1"), "encoding", "line 1"),
        (json.dumps(a()).encode() + b"\n" + '{"id": "é"}'.encode("cp1252"), "encoding", "line 2 has the byte 0xe9"),
        (b"\0\0\0\x20ftypisom" + bytes(range(256)), "encoding", "not a text file"),
        (b"video,caption\na.mp4,a dog\n", "schema", "--format csv"),
        (b"path;sentence\r\na.mp4;a dog\r\n", "schema", "--format csv"),
        (b'{"videos": [{"video_id": "video0"}], "sentences": []}', "schema", "--format msrvtt"),
        (b'{\n "videos": [\n {"video_id": "video0"}\n ],\n "sentences": []\n}', "schema", "--format msrvtt"),
        (b'{"images": [{"filename": "1.jpg", "sentences": []}], "dataset": "flickr8k"}', "schema", "--format flickr"),
        (b'{"1.jpg": ["a dog"], "2.jpg": ["a cat"]}', "schema", "--format flickr"),
        (b'{"7": {"frames": ["1.jpg"], "captions": ["a dog"]}}', "schema", "--format frames"),
        (b"mv89psg6zh4_33_46 a bird\nmv89psg6zh4_33_46 a bird is bathing", "schema", "--format msvd"),
        (b"Once upon a time\nthere was a dog", "schema", "no line of it is an item"),
        (b'{"id": "x", "path": "a.mp4"}', "schema", "no line of it is an item"),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', "schema", "too long"),
    ],
)
def test_a_faulty_file_is_refused_with_what_to_do(tmp_path: Path, content: bytes, code: str, words: str) -> None:
    path = tmp_path / "given.txt"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as refused:
        read_manifest(path)
    assert refused.value.code == code
    assert words in refused.value.message


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "gone", "missing"), (tmp_path, "unreadable"), (Path("/dev/zero"), "unreadable")):
        with pytest.raises(ManifestError) as refused:
            read_manifest(path)
        assert refused.value.code == code


def test_training_needs_items_and_captions_that_differ(folder: Path) -> None:
    one = [Item(str(n), ("A dog.",), folder / "a.mp4") for n in range(5)]
    with pytest.raises(ManifestError, match="at least 6") as few:
        require_trainable(one, minimum=6)
    with pytest.raises(ManifestError, match="Every caption is the same") as same:
        require_trainable(one, minimum=5)
    assert (few.value.code, same.value.code) == ("empty_data", "one_class")
    require_trainable([*one, Item("cat", ("a cat",), folder / "b.mp4")], minimum=6)


# Not Latin-1: "Â¡" is what a wrongly read "¡" looks like.
LETTERS = st.characters(codec="ascii", exclude_categories=["Cc"]) | st.characters(
    min_codepoint=0x250, exclude_categories=["Cs", "Cc"], exclude_characters="\ufffd"
)
TEXT = st.text(LETTERS, min_size=1).map(lambda t: f"w {t}")


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.lists(TEXT, min_size=1, max_size=3), st.sampled_from(["", "g1", "g 2"]), st.sampled_from([1.0, 0.25])
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(),
)
def test_what_is_written_reads_the_same_and_its_hash_is_that_of_the_file(folder: Path, rows, dice) -> None:
    items = []
    for number, (captions, group, weight) in enumerate(rows):
        clean = tuple(" ".join(c.split()) for c in captions)
        media = {"video": folder / "a.mp4"} if number % 2 else {"frames": (folder / "1.jpg", folder / "2.jpg")}
        items.append(Item(f"item {number}", clean, group=group, weight=weight, **media))
    path = folder / "out.jsonl"
    digest = write_manifest(items, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() == manifest_sha256(items)
    back, problems = read_manifest(path)
    assert (sorted(back, key=lambda i: i.id), problems) == (items, [])
    shuffled = dice.sample(items, len(items))
    assert manifest_sha256(shuffled) == digest
    assert manifest_sha256(items[1:]) != digest


def test_two_items_of_one_id_are_not_written_and_what_was_there_stays(folder: Path) -> None:
    path = folder / "out.jsonl"
    path.write_text("before")
    with pytest.raises(ValueError, match="more than once"):
        write_manifest([Item("a", ("x",), folder / "a.mp4")] * 2, path)
    assert path.read_text() == "before"


@st.composite
def libraries(draw: st.DrawFn) -> list[Item]:
    """Items that share groups, videos and frames at random."""
    count = draw(st.integers(1, 40))
    few = st.integers(0, draw(st.integers(1, 60)))
    items = []
    for number in range(count):
        group = draw(st.sampled_from(["", "", "g1", "g2", "g3"]))
        if draw(st.booleans()):
            media = {"video": Path(f"/v/{draw(few)}.mp4")}
        else:
            media = {"frames": tuple(Path(f"/f/{draw(few)}.jpg") for _ in range(draw(st.integers(1, 3))))}
        items.append(Item(f"{draw(st.sampled_from(string.ascii_letters))}{number}", ("x",), group=group, **media))
    return items


@settings(deadline=None)
@given(libraries(), st.integers(0, 3), st.randoms())
def test_splits_never_part_a_source_and_do_not_depend_on_the_order(items: list[Item], seed: int, dice) -> None:
    splits = split_items(items, shares=SHARES, seed=seed)
    assert sorted(i.id for part in splits.values() for i in part) == sorted(i.id for i in items)
    place = {item.id: name for name, part in splits.items() for item in part}
    for x in items:
        for y in items:
            if (x.group and x.group == y.group) or set(x.media) & set(y.media):
                assert place[x.id] == place[y.id]
    again = split_items(dice.sample(items, len(items)), shares=SHARES, seed=seed)
    assert {item.id: name for name, part in again.items() for item in part} == place


def single(count: int, prefix: str = "") -> list[Item]:
    return [Item(f"{prefix}{n}", ("x",), Path(f"/v/{prefix}{n}.mp4")) for n in range(count)]


def test_an_item_keeps_its_split_when_others_join() -> None:
    few, many = single(600), [*single(900, "new"), *single(600)]
    before = split_items(few, shares=SHARES, seed=0)
    after = {item.id: name for name, part in split_items(many, shares=SHARES, seed=0).items() for item in part}
    assert all(after[item.id] == name for name, part in before.items() for item in part)
    grown = [*few, *(Item(f"late {n}", ("x",), Path(f"/late/{n}.mp4"), group="tour") for n in range(5))]
    more = [*grown, Item("0", ("x",), Path("/late/x.mp4"), group="tour")][1:]
    at = [
        {name for name, part in split_items(found, shares=SHARES, seed=0).items() for i in part if i.group == "tour"}
        for found in (grown, more)
    ]
    assert at[0] == at[1]
    assert len(at[0]) == 1


@pytest.mark.parametrize("seed", range(10))
def test_splits_are_near_the_shares_also_of_few_items_and_beside_a_big_group(seed: int) -> None:
    for items in (
        single(20),
        single(1000),
        [*single(60), *(Item(f"big{n}", ("x",), Path(f"/b/{n}"), group="big") for n in range(40))],
    ):
        sizes = {name: len(part) for name, part in split_items(items, shares=SHARES, seed=seed).items()}
        for name, share in SHARES.items():
            wanted = share * len(items)
            assert max(0.5 * wanted, 2) <= sizes[name] <= max(1.5 * wanted, wanted + 1)


def test_another_seed_splits_otherwise_and_shares_must_add_up() -> None:
    one, other = (split_items(single(200), shares=SHARES, seed=seed)["test"] for seed in (0, 1))
    assert one != other
    with pytest.raises(ValueError, match="add up to 1"):
        split_items(single(3), shares={"train": 0.8}, seed=0)
    assert split_items([], shares=SHARES, seed=0) == {"train": [], "validation": [], "test": []}


def test_copies_of_a_file_are_one_source(folder: Path) -> None:
    (folder / "copy.mp4").write_bytes((folder / "a.mp4").read_bytes())
    items = [Item(name, ("x",), folder / name) for name in ("a.mp4", "b.mp4", "copy.mp4")]
    assert source_numbers(items) == [0, 1, 2]
    assert source_numbers(items, content_keys(items)) == [0, 1, 0]
