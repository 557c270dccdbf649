"""The test run has the database that the product needs."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core.models import Job


@pytest.mark.django_db
def test_the_database_has_pgvector_and_every_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
        assert cursor.fetchone()
    assert Job.objects.count() == 0
