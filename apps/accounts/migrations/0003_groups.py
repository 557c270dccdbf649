from __future__ import annotations

from typing import Any

from django.db import migrations

from apps.accounts.groups import groups_ensure


def make_groups(apps: Any, schema_editor: Any) -> None:
    groups_ensure(apps)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0002_loginfailure"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("core", "0001_initial"),
        ("duplicates", "0001_initial"),
        ("embeddings", "0002_initial"),
        ("videos", "0001_initial"),
    ]

    operations = [migrations.RunPython(make_groups, migrations.RunPython.noop)]
