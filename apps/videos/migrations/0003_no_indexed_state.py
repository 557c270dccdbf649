"""The state "indexed" goes: writing an index and becoming ready are one transaction, so no video rests in between.

A row that holds it all the same becomes "probed", which was treated alike: being indexed, and a retry starts over.
"""

from django.db import migrations, models


def indexed_to_probed(apps, schema_editor):
    apps.get_model("videos", "Video").objects.filter(state="indexed").update(state="probed")


class Migration(migrations.Migration):
    dependencies = [("videos", "0002_importedfile")]

    operations = [
        migrations.RunPython(indexed_to_probed, migrations.RunPython.noop, elidable=True),
        migrations.AlterField(
            model_name="video",
            name="state",
            field=models.CharField(
                choices=[("uploaded", "waiting"), ("probed", "being indexed"), ("ready", "ready"), ("failed", "failed")],
                db_index=True,
                default="uploaded",
                max_length=16,
            ),
        ),
    ]
