"""``manage.py broker_prepare``: the queues inside Postgres, for those who run web and workers one by one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from vsearch import message_queues


class Command(BaseCommand):
    help = "Install the queues in the database (nothing to do when BROKER_URL is set). Safe to run again."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.BROKER_URL:
            self.stdout.write("BROKER_URL is set: its broker creates the queues itself.")
            return
        message_queues.install(settings.DATABASE_URL)
        self.stdout.write("The queues are installed.")
