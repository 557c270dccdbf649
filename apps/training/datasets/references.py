"""What a manifest that somebody uploaded may point at.

Who may train may not therefore read every file of the server: a name means a video of the library, or a file below
one of VSEARCH_TRAINING_FOLDERS. Administrators may name any path, as they may with ``manage.py import``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePath
from uuid import UUID

from django.conf import settings

from apps.videos.models import Video

NOT_READABLE = (
    "{name} is no video of the library and lies outside the folders that training may read. Add it to the library, "
    "set VSEARCH_TRAINING_FOLDERS, or let an administrator make the dataset."
)


class NotReadable(Exception):
    """``message`` is for people."""

    def __init__(self, name: str) -> None:
        self.message = NOT_READABLE.format(name=name)
        super().__init__(self.message)


@dataclass
class References:
    """Resolves names; reads the catalogue once."""

    any_path: bool = False
    _by_name: dict[str, list[Video]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = Video.objects.filter(state=Video.State.READY).only("id", "path", "original_name", "title", "has_proxy")
        for video in rows.iterator():
            names = {str(video.id), video.path, video.original_name, PurePath(video.path).name, video.title}
            for name in names:
                self._by_name.setdefault(name, []).append(video)
        self._roots = [Path(folder).resolve() for folder in settings.TRAINING_FOLDERS]

    def video(self, name: str) -> tuple[str, UUID | None]:
        """(path, id when it is a video of the library). NotReadable for what may not be read."""
        found = self._by_name.get(name, [])
        if len(found) == 1:
            return str(found[0].playable_path), found[0].id
        return self.file(name), None

    def file(self, name: str) -> str:
        """An absolute path below the folders that may be read; relative ones are looked for in each of them."""
        try:
            return self._file(name)
        except (OSError, ValueError) as error:  # a name that is too long, or that no file can have
            raise NotReadable(name) from error

    def _file(self, name: str) -> str:
        path = Path(name)
        if path.is_absolute():
            if self.any_path or any(root in path.resolve().parents for root in self._roots):
                return str(path)
            raise NotReadable(name)
        for root in self._roots:
            inside = (root / path).resolve()
            if root in inside.parents and inside.exists():
                return str(inside)
        raise NotReadable(name)
