import django.contrib.postgres.indexes
from django.db import migrations, models

from apps.videos.text_index import text_index_fill

ROWS_AT_ONCE = 2_000


def write_names(apps, schema_editor):
    alias = schema_editor.connection.alias
    segments = apps.get_model("videos", "TextSegment").objects.using(alias)
    videos = apps.get_model("videos", "Video").objects.using(alias)
    rows = videos.exclude(original_name="").values_list("id", "original_name", "duration_seconds")
    segments.bulk_create(
        (
            segments.model(video_id=video, source="name", start=0.0, end=duration or 0.0, text=name)
            for video, name, duration in rows.iterator(chunk_size=ROWS_AT_ONCE)
        ),
        batch_size=ROWS_AT_ONCE,
    )
    text_index_fill(segments.filter(source="name"))


def remove_names(apps, schema_editor):
    segments = apps.get_model("videos", "TextSegment").objects.using(schema_editor.connection.alias)
    segments.filter(source="name").delete()


class Migration(migrations.Migration):

    dependencies = [
        ("videos", "0007_words_folded_and_stemmed"),
    ]

    # The rows last: Postgres changes no index while rows of the same transaction wait for their checks.
    operations = [
        migrations.AlterField(
            model_name="textsegment",
            name="source",
            field=models.CharField(
                choices=[
                    ("title", "title"),
                    ("name", "file name"),
                    ("description", "description"),
                    ("subtitle", "subtitle"),
                ],
                max_length=16,
            ),
        ),
        migrations.RemoveIndex(model_name="textsegment", name="textsegment_title_words"),
        migrations.AddIndex(
            model_name="textsegment",
            index=django.contrib.postgres.indexes.GinIndex(
                condition=models.Q(("source__in", ["title", "name"])),
                fields=["words"],
                name="textsegment_title_words",
            ),
        ),
        migrations.RunPython(write_names, remove_names),
    ]
