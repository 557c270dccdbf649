"""What the API says about itself, tried by schemathesis: no 5xx, no undocumented status, no other body than described.

VSEARCH_SCHEMA_EXAMPLES: how many requests are made up for each operation (4; a long run takes some hundreds).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django import Settings
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from apps.videos.models import Video
from tests.apps.people import imported, user

EXAMPLES = int(os.environ.get("VSEARCH_SCHEMA_EXAMPLES", "4"))
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
CONFIG = SchemathesisConfig.from_dict({"generation": {"database": "none", "with-security-parameters": False}})


@schemathesis.serializer("application/offset+octet-stream")
def _bytes(context: schemathesis.SerializationContext, value: bytes) -> bytes:
    return value


def operations() -> list[schemathesis.APIOperation]:
    document = SchemaGenerator().get_schema(request=None, public=True)
    described = schemathesis.openapi.from_dict(document, config=CONFIG)
    return [found.ok() for found in described.get_all_operations()]


OPERATIONS = operations()


@pytest.fixture(autouse=True)
def one_connection(sender: dict[str, str]) -> Iterator[None]:
    """The rows of a test are in an open transaction: requests must not close its connection.

    After ``sender``: Django's test client connects the signals again.
    """
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture(params=["administrator", "visitor"])
def sender(request: pytest.FixtureRequest, settings: Settings, db: None) -> dict[str, str]:
    """Headers of a request."""
    settings.LIMITS = dict.fromkeys(settings.LIMITS)
    settings.PUBLIC_SEARCH = True
    if request.param != "administrator":
        return {}
    client = Client()
    client.force_login(user("Administrators", is_staff=True, is_superuser=True))
    csrf = client.get("/accounts/password").cookies["csrftoken"].value
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    return {"Cookie": cookies, "X-CSRFToken": csrf}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_the_api_answers_as_its_schema_says(
    operation: schemathesis.APIOperation, sender: dict[str, str], tmp_path: Path
) -> None:
    video = imported(tmp_path, title="A harbour in the morning")
    Video.objects.update(state=Video.State.READY, duration_seconds=30.0)
    application = get_wsgi_application()
    modes = list(schemathesis.GenerationMode)
    made_up = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in modes))

    @examples(max_examples=EXAMPLES)
    @given(made_up, st.booleans())
    def ask(case: schemathesis.Case, known: bool) -> None:
        if known and "video_id" in case.path_parameters:
            case.path_parameters["video_id"] = str(video.id)
        case.call_and_validate(headers=sender, checks=CHECKS, app=application)

    ask()
