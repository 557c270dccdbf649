from typing import Any

from django.apps import AppConfig
from django.apps import apps as registry
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self) -> None:
        post_migrate.connect(_groups_again, sender=self)


def _groups_again(apps: Any = registry, **_: Any) -> None:
    """Also after ``flush``, which empties the tables, keeps the migrations and sends no ``apps``."""
    from apps.accounts.groups import groups_ensure

    try:
        apps.get_model("auth", "Group")
    except LookupError:
        return  # migrated back to a state without accounts
    groups_ensure(apps)
