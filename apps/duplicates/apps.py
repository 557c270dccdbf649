from __future__ import annotations

from uuid import UUID

from django.apps import AppConfig


class DuplicatesConfig(AppConfig):
    name = "apps.duplicates"
    label = "duplicates"

    def ready(self) -> None:
        from apps.videos.presence import presence_listener_register

        presence_listener_register(_propose_again)


def _propose_again(video_ids: set[UUID]) -> None:
    """Files went or came back: the copies to keep are proposed anew where that matters."""
    from apps.duplicates.groups.rebuild import groups_rebuild
    from apps.duplicates.models import GroupMember

    if GroupMember.objects.filter(video_id__in=video_ids).exists():
        groups_rebuild()
