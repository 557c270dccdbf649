"""Accounts of each kind, and videos, for the tests of the apps."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from apps.videos.editing import video_update
from apps.videos.models import Video
from apps.videos.registration import video_register

_numbers = count()


def user(*groups: str, **fields: Any) -> Any:
    """A new user in the named groups."""
    person = get_user_model().objects.create_user(username=f"person{next(_numbers)}", password="right horse", **fields)
    person.groups.set(Group.objects.filter(name__in=groups))
    assert person.groups.count() == len(groups), "a group is missing: were the migrations run?"
    return person


def imported(folder: Path, content: bytes = b"", name: str = "clip.mp4", **more: Any) -> Video:
    """A registered in-place video; its content is unique unless given. ``more``: description, title, tags, owner."""
    number = next(_numbers)
    path = folder / f"{number}-{name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content or f"content {number}".encode())
    description = more.pop("description", None)
    video, _ = video_register(path=path, original_name=name, source=Video.Source.IMPORT, **more)
    return video if description is None else video_update(video_id=video.id, description=description)
