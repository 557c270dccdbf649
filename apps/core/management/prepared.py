"""Commands that need the tables, and perhaps the models: whoever types one first, before ``up``, gets both."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor


class PreparedCommand(BaseCommand):
    """Prepares the embedded database; of somebody's own Postgres (DATABASE_URL) it says what to do.

    What it prepares is announced on stderr, so the output stays what the command prints.
    """

    needs_model = ""  # a role

    def execute(self, *args: Any, **options: Any) -> Any:
        from vsearch.processes.startup import CannotStart, migrate, run_command

        try:
            if not _tables_are_current():
                self._require_embedded()
                self.stderr.write("Preparing the tables (the first time only).")
                migrate()
            if self.needs_model and settings.EMBEDDED_DATABASE and not _is_active(self.needs_model):
                self.stderr.write("Preparing the models that come along (the first time only, about a minute).")
                run_command("prepare", quiet=True)
        except CannotStart as problem:
            raise CommandError(str(problem)) from problem
        except OperationalError as error:
            raise CommandError(
                f"The database does not answer: {str(error).strip()}. Check DATABASE_URL and whether the server runs."
            ) from error
        return super().execute(*args, **options)

    def _require_embedded(self) -> None:
        if not settings.EMBEDDED_DATABASE:
            raise CommandError(
                "The tables in the database of DATABASE_URL are missing or older than this version of vsearch. Make a "
                "backup if there is data in it, run `manage.py migrate`, then this command again."
            )


def _tables_are_current() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _is_active(role: str) -> bool:
    versions = apps.get_model("embeddings", "ModelVersion")  # by name: core is below embeddings
    return bool(versions.objects.filter(role=role, state="serving").exists())
