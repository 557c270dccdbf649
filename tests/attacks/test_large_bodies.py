"""Bodies where none belong, or larger ones than an address takes, end before they are stored or parsed."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

import pytest

from apps.accounts.tokens import token_create
from apps.duplicates.models import Lookup
from tests.apps.people import user
from tests.faults.web import Web, head, web_server
from vsearch.web.limits import MIB

pytestmark = pytest.mark.timeout(600)
MULTIPART = "multipart/form-data; boundary=xyz"
GIB = 1024**3


def answer_of(one: socket.socket) -> tuple[int, str]:
    """Status and the whole answer, with the connection at its end."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while block := one.recv(65536):
            received += block
            if b"\r\n\r\n" in received and b"</html>" in received + b"</html>" * received.endswith(b"}"):
                break
    return int(received.split(b" ", 2)[1]), received.decode()


@pytest.mark.parametrize("path", ["/accounts/login", "/", "/nowhere", "/videos", "/admin/login/", "/healthz"])
def test_one_and_a_half_gigabytes_to_a_page_are_refused_at_once(web: Web, path: str) -> None:
    with web.connect() as one:
        one.sendall(head("POST", path, content_type=MULTIPART, content_length=3 * GIB // 2))
        status, page = answer_of(one)
    assert status == 413
    assert "at most 1 MB" in page
    assert web.incoming() == []


def test_the_api_says_so_as_a_problem(web: Web) -> None:
    with web.connect() as one:
        one.sendall(head("POST", "/api/v1/feedback", content_type="application/json", content_length=2 * MIB))
        status, text = answer_of(one)
    assert status == 413
    assert json.loads(text.partition("\r\n\r\n")[2])["status"] == 413
    assert "application/problem+json" in text


def test_a_body_without_a_length_is_counted(web: Web) -> None:
    with web.connect() as one:
        one.sendall(head("POST", "/accounts/login", content_type=MULTIPART, transfer_encoding="chunked"))
        for _ in range(64):
            one.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert answer_of(one)[0] == 413
    assert web.incoming() == []


def form(content: bytes) -> bytes:
    name = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
    return name + content + b"\r\n--xyz--\r\n"


def test_a_file_belongs_to_a_lookup(web: Web) -> None:
    content = os.urandom(3 * MIB)
    made = web.ask("/api/v1/lookups", "POST", body=form(content), headers={"Content-Type": MULTIPART})
    assert made.status == 201, made.body
    assert Path(Lookup.objects.get().path).read_bytes() == content
    assert web.incoming() == []


def test_a_file_of_somebody_who_may_not_send_it_is_refused_before_it_comes(
    transactional_db: None, tmp_path: Path
) -> None:
    """Neither the lookups of a closed instance, nor datasets of people who do not train."""
    _, token = token_create(user=user(), name="no trainer")
    with web_server(tmp_path, VSEARCH_PUBLIC_SEARCH="no") as web:
        for path, shown, expected in (
            ("/find", {}, 401),
            ("/api/v1/lookups", {}, 401),
            ("/api/v1/training-datasets", {"authorization": f"Bearer {token}"}, 403),
            ("/training/datasets/new", {"cookie": "sessionid=made-up"}, 401),
        ):
            with web.connect() as one:
                one.sendall(head("POST", path, content_type=MULTIPART, content_length=200 * MIB, **shown))
                assert answer_of(one)[0] == expected, path
        assert web.incoming() == []


def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_comes(web: Web) -> None:
    _, token = token_create(user=user(is_superuser=True), name="trainer", scopes=["train"])
    with web.connect() as one:
        one.sendall(
            head("POST", "/find", content_type=MULTIPART, content_length=49 * GIB, authorization=f"Bearer {token}")
        )
        assert answer_of(one)[0] == 507


def test_what_a_killed_server_left_is_deleted_at_the_next_start(transactional_db: None, tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / "half.upload").write_bytes(b"x")
    with web_server(tmp_path) as web:
        assert web.incoming() == []


def test_a_header_with_an_underscore_does_not_pass_for_another(web: Web) -> None:
    with web.connect() as one:
        one.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX_Http_Method_Override: DELETE\r\n\r\n")
        assert one.recv(12) == b"HTTP/1.1 200"
