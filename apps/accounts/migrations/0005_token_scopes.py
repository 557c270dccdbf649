import django.contrib.auth.models
import django.contrib.postgres.fields
import django.utils.timezone
from datetime import timedelta
from django.db import migrations, models

KNOWN_SCOPES = ["read", "upload", "review", "train", "administer"]
KNOWN_DAYS = 365


def keep_tokens(apps, schema_editor):
    """Tokens that exist could do everything that their owners can, and still can, for a year from now."""
    expires = django.utils.timezone.now() + timedelta(days=KNOWN_DAYS)
    apps.get_model("accounts", "ApiToken").objects.update(scopes=KNOWN_SCOPES, expires_at=expires)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_no_loginfailure"), ("auth", "0012_alter_user_first_name_max_length")]

    operations = [
        migrations.AddField(
            "apitoken",
            "scopes",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=16), size=None, default=list),
            preserve_default=False,
        ),
        migrations.AddField(
            "apitoken",
            "expires_at",
            models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
        migrations.RunPython(keep_tokens, migrations.RunPython.noop),
        migrations.CreateModel(
            name="TokenHolder",
            fields=[],
            options={"proxy": True, "default_permissions": (), "indexes": [], "constraints": []},
            bases=("auth.user",),
            managers=[("objects", django.contrib.auth.models.UserManager())],
        ),
    ]
