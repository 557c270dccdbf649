from __future__ import annotations

import hashlib
import json
import re
from io import StringIO

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from apps.core.models import Job
from apps.duplicates.models import Lookup
from apps.embeddings.models import FrameEmbedding
from apps.videos.models import Video
from tests.apps.duplicates.planted import edited, planted_video, random_frames
from tests.apps.duplicates.rows import make_version


@pytest.fixture
def known_file(db, tmp_path):
    """A file whose content is in the library, beside a part of the same footage."""
    version = make_version()
    source = random_frames(1, 40)
    video = planted_video(version, "whole", source)
    planted_video(version, "part", edited(source[10:30], 2))
    file = tmp_path / "mine.mp4"
    file.write_bytes(b"content")
    Video.objects.filter(id=video.id).update(sha256=hashlib.sha256(b"content").hexdigest())
    return file


def run(*arguments: object) -> str:
    out = StringIO()
    call_command("lookup", *map(str, arguments), stdout=out)
    return out.getvalue()


def test_the_command_prints_the_json_of_the_api_and_makes_no_rows(known_file):
    matches = json.loads(run(known_file, "--json"))["matches"]
    assert [(m["video"]["title"], m["relation"]) for m in matches] == [("whole", "exact"), ("part", "contains")]
    assert np.allclose(matches[1]["segments"][0]["query"], [10, 30], atol=1.1)
    assert not Lookup.objects.exists()
    assert not Job.objects.exists()


def test_the_command_prints_a_verdict_in_words_and_timecodes(known_file):
    text = run(known_file, "--limit", 2)
    assert "This exact file is in the library. 1 more video matched." in text
    assert re.search(r"0:(09|10)-0:(29|30) here = 0:00-0:(19|20) there", text)


def test_the_command_says_why_an_answer_is_weak(known_file):
    FrameEmbedding.objects.update(informative=False)
    Video.objects.exclude(title="whole").delete()
    text = run(known_file)
    assert "This exact file is in the library." in text
    assert "Its pictures are black, plain or faded." in text
    assert json.loads(run(known_file, "--json"))["note"]["code"] == "nothing_to_see"


def test_the_command_says_what_is_wrong(known_file, tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        run(tmp_path / "missing.mp4")
    with pytest.raises(CommandError, match="1 or more"):
        run(known_file, "--limit", 0)


@pytest.mark.django_db
def test_the_command_says_when_no_model_is_ready(tmp_path):
    file = tmp_path / "a.mp4"
    file.write_bytes(b"x")
    with pytest.raises(CommandError, match=r"manage\.py prepare"):
        run(file)
