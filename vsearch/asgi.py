"""The web process."""

import os

import django

from vsearch.lifetime import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
if os.environ.get("VSEARCH_SUPERVISED"):
    die_with_parent()  # the server's own worker process must not outlive a killed server
django.setup(set_prefix=False)

from vsearch.web.application import Application  # noqa: E402  needs the settings

application = Application()
