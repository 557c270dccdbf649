"""The manifest of evaluate copies: what is accepted, and that everything that is wrong is named at once."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from worker.evaluation.copy_manifest import CopyManifestError, ListedVideo, faults_of_length, read_copy_manifest

SOUND: dict[str, Any] = {
    "references": [{"id": "a", "video": "a.mp4"}, {"id": "b", "video": "b.mp4"}],
    "queries": [
        {
            "id": "q",
            "video": "q.mp4",
            "segments": [{"reference": "a", "query": [0, 4.5], "reference_span": [10, 14.5], "edit": "mirror"}],
        },
        {"id": "nothing", "video": "q.mp4", "segments": []},
        {"id": "nothing either", "video": "q.mp4"},
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4", "q.mp4"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder: Path, content: object) -> Any:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "m.json").write_text(text)
    return read_copy_manifest(folder / "m.json")


def refused(folder: Path, content: object) -> CopyManifestError:
    with pytest.raises(CopyManifestError) as error:
        read(folder, content)
    return error.value


def test_a_sound_manifest_is_read_with_paths_from_its_folder(folder: Path) -> None:
    manifest = read(folder, SOUND)
    assert [r.id for r in manifest.references] == ["a", "b"]
    assert manifest.queries[0].video == folder / "q.mp4"
    (span,) = manifest.queries[0].segments
    assert (span.reference, span.box, span.edit, span.shared_asset) == ("a", (0.0, 4.5, 10.0, 14.5), "mirror", False)
    assert [q.segments for q in manifest.queries[1:]] == [(), ()]


def with_segment(**changes: object) -> dict[str, Any]:
    content = copy.deepcopy(SOUND)
    content["queries"][0]["segments"][0] |= changes
    return content


@pytest.mark.parametrize(
    ("content", "where", "code"),
    [
        (with_segment(reference="z"), "queries[0].segments[0].reference", "unknown_reference"),
        (with_segment(query=[4, 2]), "queries[0].segments[0].query", "inverted"),
        (with_segment(query=[2, 2]), "queries[0].segments[0].query", "inverted"),
        (with_segment(reference_span=[-1, 2]), "queries[0].segments[0].reference_span", "range"),
        (with_segment(query=[0, float("nan")]), "queries[0].segments[0].query", "not_finite"),
        (with_segment(query=[0, 10**400]), "queries[0].segments[0].query", "not_finite"),
        (with_segment(query=[0, "4"]), "queries[0].segments[0].query", "type"),
        (with_segment(query=[0, True]), "queries[0].segments[0].query", "type"),
        (with_segment(query=[0]), "queries[0].segments[0].query", "type"),
        (with_segment(edit=3), "queries[0].segments[0].edit", "type"),
        (with_segment(shared_asset="yes"), "queries[0].segments[0].shared_asset", "type"),
        (with_segment(refrence="a"), "queries[0].segments[0]", "unknown_key"),
        (SOUND | {"references": []}, "references", "empty"),
        (SOUND | {"queries": []}, "queries", "empty"),
        (SOUND | {"queries": {}}, "queries", "type"),
        ({"references": SOUND["references"]}, "queries", "type"),
        (SOUND | {"references": [{"id": "a", "video": "a.mp4"}] * 2}, "references[1].id", "duplicate"),
        (SOUND | {"references": [*SOUND["references"], {"id": "c", "video": "gone.mp4"}]}, "references[2].video",
         "missing"),
        (SOUND | {"references": [*SOUND["references"], {"id": "c", "video": "."}]}, "references[2].video", "missing"),
        (SOUND | {"references": [*SOUND["references"], "c.mp4"]}, "references[2]", "type"),
        (SOUND | {"references": [*SOUND["references"], {"id": 7, "video": "a.mp4"}]}, "references[2].id", "type"),
        (SOUND | {"queries": [{"id": "\ud800", "video": "a.mp4"}]}, "queries[0].id", "type"),
        (SOUND | {"queries": [{"id": "q", "video": "x" * 5000}]}, "queries[0].video", "missing"),
        (SOUND | {"queries": [{"id": "q", "video": "q.mp4", "segments": {}}]}, "queries[0].segments", "type"),
        (SOUND | {"queries": [{"id": "q", "video": "q.mp4", "segments": [1]}]}, "queries[0].segments[0]", "type"),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_place(folder: Path, content: object, where: str, code: str) -> None:
    error = refused(folder, content)
    assert (where, code) in {(fault.where, fault.code) for fault in error.faults}
    assert where in str(error) or len(error.faults) > 1


def test_all_faults_are_listed_at_once(folder: Path) -> None:
    content = with_segment(reference="z", query=[4, 2], reference_span=[0])
    content["queries"].append({"id": "q", "video": "gone.mp4"})
    assert [fault.code for fault in refused(folder, content).faults] == [
        "duplicate",
        "missing",
        "unknown_reference",
        "inverted",
        "type",
    ]


@pytest.mark.parametrize(("text", "code"), [("[1]", "schema"), ("{", "json"), ("", "json"), ("[" * 200_000, "json")])
def test_what_is_no_manifest_at_all_is_refused(folder: Path, text: str, code: str) -> None:
    assert refused(folder, text).code == code


def test_a_file_that_is_not_there_or_no_text_is_refused(folder: Path) -> None:
    with pytest.raises(CopyManifestError, match="no file"):
        read_copy_manifest(folder / "other.json")
    (folder / "m.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(CopyManifestError, match="UTF-8"):
        read_copy_manifest(folder / "m.json")


def test_spans_behind_the_end_of_a_video_are_faults_once_its_length_is_known(folder: Path) -> None:
    query: ListedVideo = read(folder, SOUND).queries[0]
    assert faults_of_length(query, {"a": 14.2, "b": 1.0}, 4.5) == []  # half a second is rounding
    assert [f.where for f in faults_of_length(query, {"a": 12.0}, 3.0)] == [
        "queries[0].segments[0].query",
        "queries[0].segments[0].reference_span",
    ]
    assert faults_of_length(query, {}, None) == []
