"""Takes the file of a lookup that came whole in one request (a form, or the API without resumable upload)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile

from apps.core.disk_full import OUT_OF_SPACE
from apps.core.exceptions import InvalidInput
from apps.duplicates.lookups.asking import lookup_create
from apps.duplicates.lookups.files import lookups_folder
from apps.duplicates.models import Lookup
from apps.videos.exceptions import TooLarge
from apps.videos.storage import no_space, readable, space_check, type_check


def lookup_receive(*, file: Any, owner: User | None = None, session_key: str = "") -> Lookup:
    """Store the sent file and ask about it. Raises InvalidInput, TooLarge (413), WrongType (415) or NoSpace (507)."""
    if not isinstance(file, UploadedFile):
        raise InvalidInput("Choose a video file to send.", field="file")
    name, size = file.name or "", file.size or 0
    type_check(name)
    if size > settings.MAX_UPLOAD_BYTES:
        raise TooLarge(
            f"{name} has {readable(size)}; files up to {readable(settings.MAX_UPLOAD_BYTES)} are taken.", field="file"
        )
    space_check(size)
    path = lookups_folder() / f"{uuid4()}.part"
    try:
        _write(file, path)
        return lookup_create(path=path, file_name=name, owner=owner, session_key=session_key)
    finally:
        path.unlink(missing_ok=True)  # gone already unless something failed


def _write(file: Any, path: Path) -> None:
    try:
        with path.open("wb") as target:
            for chunk in file.chunks():
                target.write(chunk)
    except OSError as error:
        if error.errno in OUT_OF_SPACE:
            raise no_space(needed_bytes=file.size or 0, free_bytes=0) from error
        raise
