"""Celery app of the workers: the producers' app plus every task module (``celery -A worker.app``)."""

from __future__ import annotations

import os
from pkgutil import iter_modules

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")

import django

from vsearch.celery import app
from worker import tasks

app.conf.include = [f"worker.tasks.{module.name}" for module in iter_modules(tasks.__path__)]
django.setup()
