"""How the OpenAPI document describes our login, our problems and the uploads."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension

from apps.api.problems import MEDIA_TYPE


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.api.authentication.TokenAuthentication"
    name = "apiToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: vs_..."}


PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people: what is wrong and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "The field at fault, as a JSON pointer."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
# What any address may answer, and what only those with an id or a body do.
ALWAYS = (400, 401, 403, 406, 415, 429, 503, 507)
WITH_ID = (404, 409, 410)
WITH_BODY = (404, 408, 409, 410, 411, 412, 413, 423)
# Left out for people who may not see paths of the server.
NOT_FOR_ALL = {"Video": ("path",), "VideoProgress": ("path", "identical_files")}
RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}


def add_problems(result: dict[str, Any], generator: object, request: object, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: every operation tells how it refuses, in one form."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    for name, fields in NOT_FOR_ALL.items():
        shape = result["components"]["schemas"][name]
        shape["required"] = [field for field in shape["required"] if field not in fields]
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            statuses = {*ALWAYS}
            if "{" in path or any(one.get("name") == "cursor" for one in operation.get("parameters", ())):
                statuses |= {*WITH_ID}
            if method != "get":
                statuses |= {*WITH_BODY}
            for status in sorted(statuses):
                operation["responses"].setdefault(str(status), _problem(status))
    return result


def _problem(status: int) -> dict[str, Any]:
    told: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status in {429, 503, 507}:
        told["headers"] = RETRY_AFTER
    return told
