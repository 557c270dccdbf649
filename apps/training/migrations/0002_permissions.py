from __future__ import annotations

from typing import Any

from django.db import migrations

from apps.accounts.groups import administrators_extend, groups_ensure, training_permissions


def give_permissions(apps: Any, schema_editor: Any) -> None:
    groups_ensure(apps)  # makes the group Trainers
    administrators_extend(apps, training_permissions)


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0001_initial"),
        ("accounts", "0003_groups"),
        ("search", "0002_feedback"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(give_permissions, migrations.RunPython.noop)]
