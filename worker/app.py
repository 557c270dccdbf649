"""Celery app of the workers: the producers' app plus every task module (``celery -A worker.app``)."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")

import django

from vsearch.celery import app

app.conf.include = [
    "worker.tasks.ingest",
    "worker.tasks.proxy",
    "worker.tasks.matching",
    "worker.tasks.lookup",
    "worker.tasks.pictures",
    "worker.tasks.clusters",
    "worker.tasks.models",
    "worker.tasks.datasets",
    "worker.tasks.training",
    "worker.tasks.candidates",
    "worker.tasks.housekeeping",
    "worker.tasks.stopping",
]
django.setup()
