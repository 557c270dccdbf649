"""Names are data: they neither steer a terminal, nor forge a line of a log, nor turn the text of a page."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from apps.accounts.models import ApiToken
from apps.core.plain import escaped, json_text, lines, one_line
from apps.duplicates.models import ReviewDecision
from apps.embeddings.models import ModelVersion
from apps.search.models import Feedback
from apps.training.models import Dataset
from apps.videos.models import Video
from tests.apps.embeddings.library import make_version, make_video
from tests.apps.embeddings.towers import write_tower
from tests.apps.people import imported, user
from tests.apps.search.planted import plant
from vsearch.log_lines import OneLine
from vsearch.processes.logs import ProcessLog

HOSTILE = (
    "a\x1b[31mred", "a\x1b]0;title\x07", "a\x9b2J", "a\nb", "a\rb", "a\x00b", "a\x08b", "a\x7fb", "a\u2028b",
    "a\u2029b", "a\u202eexe.mp4", "a\u2066b\u2069", "a\u200fb", "a\x85b", "a\x0bb",
)  # fmt: skip
WHOLE = "film " + " ".join(HOSTILE)
SHOWN = str.maketrans("", "", "\n")


def harmless(text: str) -> bool:
    return text.translate(SHOWN).isprintable()


@pytest.mark.parametrize("text", HOSTILE)
def test_each_kind_is_taken_out_or_escaped(text: str) -> None:
    assert one_line(text).isprintable()
    assert lines(text).translate(SHOWN).isprintable()
    assert escaped(text).isprintable() and "\n" not in escaped(text)
    assert json_text({"a": text}).isprintable()
    assert json.loads(json_text([text])) == [text]


def test_letters_of_all_languages_stay() -> None:
    for text in ("Übung – Größe", "日本語の映画", "שלום", "العربية", "👩‍👩‍👧 🏴󠁧󠁢󠁥󠁮󠁧󠁿", "a\u00a0b", "क्‍ष"):
        assert one_line(text) == lines(text) == escaped(text) == text
    assert lines("one\r\ntwo\tthree\n") == "one\ntwo\tthree"


@pytest.mark.django_db
def test_what_people_send_is_stored_clean(client: Client, tmp_path: Path) -> None:
    client.force_login(user("Administrators", "Reviewers"))
    video, other = imported(tmp_path), make_video()

    def send(method: str, address: str, **body: object) -> int:
        call = getattr(client, method)
        return int(call(address, json.dumps(body), content_type="application/json").status_code)

    name = WHOLE.replace("\x00", "")
    change = {"title": name, "description": name, "tags": [name[:40]]}
    assert send("patch", f"/api/v1/videos/{video.id}", **change) == 200
    assert send("post", "/api/v1/tokens", name=name[:90]) == 201
    assert send("post", "/api/v1/training-datasets", source="library", name=name[:90]) == 201
    pair = {"first": str(video.id), "second": str(other.id)}
    assert send("post", "/api/v1/pair-verdicts", verdict="not_duplicates", note=name, **pair) == 201
    assert send("post", "/api/v1/feedback", query=name, video=str(other.id), start=0, end=1, kind="click") == 201
    video.refresh_from_db()
    stored = [
        video.title, video.description, *video.tags.values_list("name", flat=True), ApiToken.objects.get().name,
        Dataset.objects.get().name, ReviewDecision.objects.get().note, Feedback.objects.get().query,
    ]  # fmt: skip
    assert [text for text in stored if not harmless(text) or not text.startswith("film a")] == []


@pytest.mark.django_db
def test_commands_print_no_name_as_it_is(tmp_path: Path) -> None:
    """Also names that were stored before they were cleaned, or by other ways."""
    version = make_version()
    ModelVersion.objects.update(folder=str(write_tower(tmp_path / "tower")))
    hostile = WHOLE.replace("\x00", "")
    video = plant(version, "walk", [("dog", 0.9)])
    Video.objects.filter(id=video.id).update(title=hostile, original_name=hostile[:300], path=f"/films/{hostile}")
    ModelVersion.objects.update(name=hostile[:300], failure=hostile)
    for command in (["search", "dog"], ["search", "dog", "--json"], ["model", "list"], ["identical"]):
        out, err = io.StringIO(), io.StringIO()
        call_command(*command, stdout=out, stderr=err)
        assert harmless(out.getvalue()) and harmless(err.getvalue()), command
        assert "film" in out.getvalue() or command == ["identical"]


@pytest.fixture
def written() -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return logger, stream


@pytest.mark.parametrize("text", HOSTILE)
def test_a_message_is_one_line(written: tuple[logging.Logger, io.StringIO], text: str) -> None:
    logger, stream = written
    logger.warning("imported %s", text + "\nERROR forged")
    said = stream.getvalue()
    assert said.count("\n") == 1 and harmless(said)


def test_a_traceback_forges_no_message(written: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = written
    try:
        raise ValueError("x\nERROR forged \x1b[2J")
    except ValueError:
        logger.exception("failed")
    said = stream.getvalue()
    assert harmless(said) and "ERROR forged" in said
    assert [line for line in said.splitlines() if line.startswith("ERROR")] == ["ERROR failed"]


def test_the_settings_use_it() -> None:
    from django.conf import settings

    assert settings.LOGGING["formatters"]["line"]["()"] == "vsearch.log_lines.OneLine"


def test_output_of_other_programs_reaches_neither_file_nor_terminal_as_it_is(tmp_path: Path) -> None:
    shown: list[str] = []
    log = ProcessLog("gpu", tmp_path, lambda name, line, *, urgent=False: shown.append(line))
    log.write(b"ERROR cannot read a\x1b[2J\x9b.mp4\tand\xe2\x80\xae more\r\n")
    log.flush()
    kept = (tmp_path / "gpu.log").read_text()
    assert harmless(kept) and len(shown) == 1 and shown[0].isprintable()
