"""``python -m vsearch.web``: the web server alone, as containers start it."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
django.setup()

from django.conf import settings  # noqa: E402

from vsearch.web.server import command  # noqa: E402

_words = command(settings.HOST, settings.PORT, settings.WEB_PROCESSES)
os.execv(_words[0], _words)  # noqa: S606
