from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Allowance",
            fields=[
                ("key", models.CharField(max_length=120, primary_key=True, serialize=False)),
                ("full_at", models.DateTimeField()),
            ],
            options={"default_permissions": ()},
        ),
        # Written at every costly request and worth nothing after a crash: no write-ahead log, no waiting for the disk.
        migrations.RunSQL("ALTER TABLE core_allowance SET UNLOGGED", migrations.RunSQL.noop),
    ]
