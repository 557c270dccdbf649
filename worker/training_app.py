"""Celery app of the training worker: only the tasks of its queue, none of which imports torch before it runs."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")

import django

from vsearch.celery import app

app.conf.include = ["worker.tasks.training", "worker.tasks.candidates"]
django.setup()
