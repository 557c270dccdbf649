"""The web process."""

import os

from django.core.wsgi import get_wsgi_application

from vsearch.lifetime import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vsearch.settings")
if os.environ.get("VSEARCH_SUPERVISED"):
    die_with_parent()  # the server's own worker process must not outlive a killed server
application = get_wsgi_application()
