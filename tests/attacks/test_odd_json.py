"""Bodies, parameters and cursors that no client sends by itself: 400 or 415 with a problem, at every address."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern
from drf_spectacular.generators import SchemaGenerator
from pytest_django import Settings
from rest_framework.exceptions import ParseError

from apps.api import urls
from apps.api.parsers import DEEPEST, read_json
from tests.apps.people import imported, user

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD")
UPLOAD = "application/offset+octet-stream"

# What no address can use, whatever it asks for.
NO_OBJECT = {
    "list": b"[]",
    "null": b"null",
    "text": b'"x"',
    "number": b"1",
    "true": b"true",
    "50,000 lists": b"[" * 50_000,
    "50,000 closed lists": b"[" * 50_000 + b"]" * 50_000,
    "50,000 objects": b'{"a":' * 50_000,
    "deep list": b'{"q": ' + b"[" * 300 + b"]" * 300 + b"}",
    "huge number": b'{"q": 1' + b"0" * 5000 + b"}",
    "beyond bigint": b'{"start": 9223372036854775808}',
    "huge exponent": b'{"start": 1e999}',
    "NaN": b'{"start": NaN}',
    "Infinity": b'{"start": -Infinity}',
    "same name twice": b'{"q": "a", "q": "b"}',
    "same name twice, inside": b'{"recipe": {"a": 1, "a": 2}}',
    "invalid UTF-8": b'{"q": "\xff\xfe"}',
    "cut UTF-8": '{"q": "ä'.encode()[:-1],
    "UTF-16": '{"q": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"q": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"q": "a"}'.encode("utf-32"),
    "NUL": b'{"q": "a\\u0000b"}',
    "NUL in a name": b'{"a\\u0000b": 1}',
    "raw NUL": b'{"q": "a\x00b"}',
    "half a pair": b'{"q": "\\ud800"}',
    "other half, inside": b'{"texts": [{"a": "\\udfff"}]}',
    "half a pair in UTF-8": b'{"q": "\xed\xa0\x80"}',
    "cut": b'{"q": ',
    "two objects": b"{}{}",
    "words": b"q=dog",
    "blanks": b"   ",
    "gzip": b"\x1f\x8b\x08\x00\x00",
}
# Values of the wrong kind for the fields of each address.
VALUES = ([], {}, [[]], [{}], [None], None, True, -1, 2**63 - 1, -(2**63) + 1, 1.5e308, "", "nan", "-inf", "9" * 400,
          "0000-00-00", "10000-01-01", "2026-02-30", "\ufffe", "x" * 70_000, {"$ne": 1})  # fmt: skip


def patterns() -> Iterator[URLPattern]:
    yield from (pattern for pattern in urls.urlpatterns if pattern not in urls.unknown)


def addresses(known: dict[str, object]) -> list[str]:
    """Every route of the API; ids of things that exist where ``known`` has them."""
    found = []
    for pattern in patterns():
        address = "/api/" + str(pattern.pattern)
        for name, converter in pattern.pattern.converters.items():
            kind = type(converter).__name__
            value = known.get(name) or {"UUIDConverter": uuid4(), "IntConverter": 1, "SlugConverter": "start"}[kind]
            address = address.replace(f"<{kind.removesuffix('Converter').lower()}:{name}>", str(value))
        assert "<" not in address
        found.append(address)
    return found


@cache
def described() -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return document


def json_bodies() -> dict[tuple[str, str], list[str]]:
    """(method, route) of every operation that takes JSON -> the names of its fields."""
    found = {}
    for path, operations in described()["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            if "application/json" in content:
                shape = content["application/json"]["schema"]
                if "$ref" in shape:
                    shape = described()["components"]["schemas"][shape["$ref"].rpartition("/")[2]]
                found[method.upper(), _shape(path)] = list(shape.get("properties", {})) or ["q", "tag", "limit"]
    return found


def parameters(address: str) -> list[str]:
    for path, operations in described()["paths"].items():
        if _shape(path) == route(address):
            told = operations.get("get", {}).get("parameters", [])
            return [one["name"] for one in told if one["in"] == "query"]
    return []


def route(address: str) -> str:
    return "/".join("{}" if _is_id(part) else part for part in address.split("/"))


def _is_id(part: str) -> bool:
    try:
        UUID(part)
    except ValueError:
        return part.isdigit() or part in {"start"}
    return True


@pytest.fixture
def admin(settings: Settings, db: None) -> Client:
    settings.LIMITS = dict.fromkeys(settings.LIMITS)
    client = Client(raise_request_exception=False)
    client.force_login(user("Administrators", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def known(tmp_path: Path, db: None) -> dict[str, object]:
    return {"video_id": imported(tmp_path).id}


def problem(answer: object, *statuses: int) -> dict[str, object]:
    assert answer.status_code in statuses, answer.content[:300]  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/problem+json"  # type: ignore[index]
    body: dict[str, object] = json.loads(answer.content)  # type: ignore[attr-defined]
    assert body["status"] == answer.status_code and body["detail"]  # type: ignore[attr-defined]
    return body


def operations_with_json(known: dict[str, object]) -> list[tuple[str, str]]:
    bodies = json_bodies()
    found = [
        (method, address) for address in addresses(known) for method in METHODS if (method, route(address)) in bodies
    ]
    assert len(found) == len(bodies) > 10
    return found


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("odd", NO_OBJECT)
def test_what_is_no_object_is_refused_by_every_address_that_reads_one(
    admin: Client, known: dict[str, object], odd: str
) -> None:
    for method, address in operations_with_json(known):
        answer = admin.generic(method, address, NO_OBJECT[odd], content_type="application/json")
        problem(answer, 400)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: json.dumps(value)[:20])
def test_values_of_the_wrong_kind_are_never_a_fault_of_the_server(
    admin: Client, known: dict[str, object], value: object
) -> None:
    for method, address in operations_with_json(known):
        names = json_bodies()[method, route(address)]
        for body in (dict.fromkeys(names, value), *({name: value} for name in names)):
            answer = admin.generic(method, address, json.dumps(body), content_type="application/json")
            assert answer.status_code < 500, (method, address, body, answer.content[:300])


def test_every_method_of_every_address_answers(admin: Client, known: dict[str, object]) -> None:
    """Also those that read no body, and methods that an address has not."""
    for address in addresses(known):
        for method in METHODS:
            answer = admin.generic(method, address, b"[]", content_type="application/json")
            assert answer.status_code < 500, (method, address, answer.content[:300])
            if answer.status_code >= 400 and method != "HEAD":
                problem(answer, answer.status_code)


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/json5", "nonsense", UPLOAD],
)
def test_a_body_of_another_type_is_415(admin: Client, known: dict[str, object], content_type: str) -> None:
    for method, address in operations_with_json(known):
        problem(admin.generic(method, address, b'{"q": "a"}', content_type=content_type), 415)


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-7", "utf-16", "latin-1", "no-such"])
def test_a_charset_that_is_not_ours_is_415(
    client: Client, admin: Client, known: dict[str, object], charset: str
) -> None:
    kind = f"application/json; charset={charset}"
    for address in addresses(known):
        problem(admin.generic("GET", f"{address}?q=a", b"x", content_type=kind), 415)
    for method, address in operations_with_json(known):
        problem(admin.generic(method, address, b"{}", content_type=kind), 415)
    for page in ("/?q=a", "/videos?text=a", "/accounts/login"):
        answer = client.generic(
            "POST", page, b"q=a", content_type=f"application/x-www-form-urlencoded; charset={charset}"
        )
        assert answer.status_code == 415


@pytest.mark.parametrize(
    "form",
    [
        b"--b\r\n", b"", b"--b--", b'--b\r\nContent-Disposition: form-data; name="q"\r\n\r\n\xff\xfe\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\ntext\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\x00/../a.jsonl"\r\n\r\n[]\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="video_id"; filename="a"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="start"\r\n\r\n' + b"9" * 900 + b"\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\na\x00b\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="q"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 1500 + b"--b--\r\n",
    ],
)  # fmt: skip
def test_odd_forms_are_never_a_fault_of_the_server(admin: Client, known: dict[str, object], form: bytes) -> None:
    for method, address in operations_with_json(known):
        answer = admin.generic(method, address, form, content_type="multipart/form-data; boundary=b")
        assert answer.status_code < 500, (method, address, answer.content[:300])
        if answer.status_code >= 400:
            problem(answer, answer.status_code)
    problem(admin.post("/api/v1/lookups", form, content_type="multipart/form-data"), 400)  # no boundary


ODD_PARAMETERS = (
    "9" * 30, "-" + "9" * 30, "9" * 5000, "1e999", "nan", "-inf", "0000-00-00", "0001-01-01", "9999-12-31",
    "10000-01-01", "2026-02-30", "٣", "%FF%FE", "%ED%A0%80", "%F4%90%80%80", "'", "\\", "%25", "_", "{}", "[]",
    "1_000", "%0A", "x" * 5000, "+", "%C3%28",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD_PARAMETERS, ids=lambda value: value[:12])
def test_odd_parameters_are_never_a_fault_of_the_server(admin: Client, known: dict[str, object], odd: str) -> None:
    value = odd if "%" in odd or odd == "+" else quote(odd)
    for address in addresses(known):
        for name in [*parameters(address), "format"]:
            answer = admin.get(f"{address}?{name}={value}")
            assert answer.status_code < 500, (address, name, answer.content[:300])
            if answer.status_code >= 400:
                problem(answer, answer.status_code)


def test_a_nul_in_a_parameter_is_400(admin: Client, known: dict[str, object]) -> None:
    for address in addresses(known):
        problem(admin.get(f"{address}?q=a%00b"), 400)
        problem(admin.get(f"{address}?a%00b=1"), 400)


def cursor(**parts: str) -> str:
    return quote(b64encode("&".join(f"{name}={value}" for name, value in parts.items()).encode()).decode())


CURSORS = [
    "garbage", "%FF", "ä", "=", "====", "a" * 5000, cursor(p="garbage"), cursor(p="10000-01-01"), cursor(p="%00"),
    cursor(p="nan"), cursor(p="9" * 400), cursor(p="1e999"), cursor(o="9" * 30), cursor(o="-1"), cursor(o="9" * 5000),
    cursor(r="x"), cursor(r="1"), cursor(r="1", p="x"), cursor(p="0001-01-01T00:00:00+23:59"), cursor(p="ü"),
    cursor(p="9999-12-31T23:59:59-23:59"), cursor(p="2026-01-01"),
]  # fmt: skip


@pytest.mark.parametrize("odd", CURSORS, ids=lambda value: value[:24])
def test_odd_cursors_are_never_a_fault_of_the_server(admin: Client, known: dict[str, object], odd: str) -> None:
    lists = [address for address in addresses(known) if "cursor" in parameters(address)]
    assert len(lists) >= 7, lists
    for address in [*lists, *(f"/api/v1/videos?sort={sort}" for sort in ("title", "longest", "largest"))]:
        if "search" in address or "similar" in address:  # these are kept in the database, under a name
            assert admin.get(f"{address}?cursor={odd}").status_code in {400, 409, 410}
            continue
        answer = admin.get(f"{address}{'&' if '?' in address else '?'}cursor={odd}")
        if answer.status_code != 200:
            assert problem(answer, 400)["errors"][0]["pointer"] == "#/cursor"  # type: ignore[index]


@pytest.mark.parametrize("number", ["9223372036854775808", "9" * 30, "9" * 5000])
def test_an_id_beyond_bigint_is_404(admin: Client, number: str) -> None:
    problem(admin.post(f"/api/v1/decisions/{number}/undo"), 404)


def test_a_file_is_a_file_and_not_its_name(admin: Client) -> None:
    answer = admin.post("/api/v1/lookups", {"file": "/etc/passwd"}, content_type="application/json")
    assert "multipart" in str(problem(answer, 400)["detail"])
    sent = admin.post("/api/v1/lookups", {"file": SimpleUploadedFile("letter.pdf", b"x")})
    problem(sent, 415)


def test_depth_is_counted_and_usual_json_is_read() -> None:
    at_the_limit = '{"a": ' * (DEEPEST - 1) + "[]" + "}" * (DEEPEST - 1)
    assert read_json(at_the_limit.encode())
    with pytest.raises(ParseError):
        read_json(f'{{"a": {at_the_limit}}}'.encode())
    usual = {"q": "Hund 😀 \u202e \t", "n": [1, -2.5, 2**63 - 1, True, None], "": {}}
    assert read_json(json.dumps(usual).encode()) == usual
    assert read_json(b"\xef\xbb\xbf" + json.dumps(usual, ensure_ascii=False).encode()) == usual
