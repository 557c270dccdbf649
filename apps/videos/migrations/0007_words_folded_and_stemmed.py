import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models

from apps.videos.text_index import text_index_fill


def fill(apps, schema_editor):
    text_index_fill(apps.get_model("videos", "TextSegment").objects.using(schema_editor.connection.alias))


class Migration(migrations.Migration):

    dependencies = [
        ("videos", "0006_imported_file_missing"),
    ]

    # Postgres filled the column before, in English; the new one holds what apps.videos.words.lexemes puts together.
    operations = [
        migrations.RemoveIndex(model_name="textsegment", name="textsegment_words"),
        migrations.RemoveField(model_name="textsegment", name="words"),
        migrations.AddField(
            model_name="textsegment",
            name="words",
            field=django.contrib.postgres.search.SearchVectorField(editable=False, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            model_name="textsegment",
            index=django.contrib.postgres.indexes.GinIndex(fields=["words"], name="textsegment_words"),
        ),
        migrations.AddIndex(
            model_name="textsegment",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("source", "title")), fields=["words"], name="textsegment_title_words"
            ),
        ),
        migrations.AddIndex(
            model_name="textsegment",
            index=models.Index(fields=["language"], name="textsegment_language"),
        ),
    ]
