"""/uploads: tus 1.0.0 with creation, termination and expiration, and where a whole file goes.

POST   /uploads        Upload-Length, Upload-Metadata: filename <base64>, purpose <base64 of library|lookup>
HEAD   /uploads/{id}   Upload-Offset
PATCH  /uploads/{id}   application/offset+octet-stream at Upload-Offset
GET    /uploads/{id}   {"id", "offset", "length", "result": {"url", "id"} or null}
DELETE /uploads/{id}
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import http_date
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import asker, signed_in
from apps.accounts.permissions import may_upload
from apps.api.permissions import MayLook
from apps.api.throttles import UploadLimit
from apps.api.upload_results import become
from apps.core.addresses import address_group, client_address
from apps.core.exceptions import InvalidInput, NotAllowed
from apps.videos import uploads
from apps.videos.exceptions import WrongType
from apps.videos.models import Upload

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration"
OVERRIDES = frozenset({"HEAD", "PATCH", "DELETE"})
BODY_TYPE = "application/offset+octet-stream"
FOLLOWS = "vsearch.bytes_to_follow"  # the web process cuts a long PATCH into pieces; not a header, so nobody sends it


class VersionMismatch(InvalidInput):
    status = 412
    title = "Another version of tus"


class LengthRequired(InvalidInput):
    status = 411
    title = "Content-Length is needed"


def metadata(header: str) -> dict[str, str]:
    """ "filename aG9saWRheS5tcDQ=,purpose bGlicmFyeQ==" -> {"filename": "holiday.mp4", "purpose": "library"}."""
    pairs: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in header.split(","))):
        name, _, value = part.partition(" ")
        try:
            pairs[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"Upload-Metadata: the value of {name} is not base64 of UTF-8.",
                field=name,
            ) from error
    return pairs


def whole_number(request: Request, header: str) -> int:
    raw = request.headers.get(header, "")
    if not raw.isascii() or not raw.isdigit() or len(raw) > 18:
        raise InvalidInput(f"{header} must be a number of bytes.", field=header)
    return int(raw)


class TusView(APIView):
    permission_classes = (MayLook,)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Where a network lets no PATCH or DELETE through, a POST says with X-HTTP-Method-Override what it means."""
        meant = request.headers.get("X-HTTP-Method-Override", "").upper()
        if request.method == "POST" and meant in OVERRIDES:
            request.method = meant
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS" and request.headers.get("Tus-Resumable", VERSION) != VERSION:
            raise VersionMismatch(f"This server supports tus {VERSION}.")

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Tus-Resumable"] = VERSION
        response["Cache-Control"] = "no-store"
        if response.status_code == 412:
            response["Tus-Version"] = VERSION
        return response

    @extend_schema(exclude=True)
    def options(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        told = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(settings.MAX_UPLOAD_BYTES),
        }
        return Response(status=204, headers=told)


def check_purpose(request: Request, purpose: str) -> None:
    """Also while an upload goes on: a token that only reads must not continue what a person has begun."""
    user = signed_in(request)
    if purpose != Upload.Purpose.LIBRARY or may_upload(user):
        return
    if user is None:
        raise NotAuthenticated("Log in, or send an API token, to upload videos.")
    raise NotAllowed("Your account is not allowed to upload videos. Ask an administrator to add it to Uploaders.")


class UploadListView(TusView):
    throttle_classes = (UploadLimit,)

    @extend_schema(
        operation_id="uploads_create",
        request=None,
        responses={201: OpenApiResponse(description="Location")},
    )
    def post(self, request: Request) -> Response:
        told = metadata(request.headers.get("Upload-Metadata", ""))
        purpose = told.get("purpose") or Upload.Purpose.LIBRARY
        check_purpose(request, purpose)
        upload = uploads.upload_create(
            file_name=told.get("filename", ""),
            length=whole_number(request, "Upload-Length"),
            purpose=purpose,
            address=address_group(client_address(request)),
            **asker(request, start_session=True),
        )
        if upload.length == 0:
            upload = uploads.upload_finish(upload=upload, become=become)
        address = reverse("api:upload", args=[upload.id])
        return Response(
            state_of(upload),
            status=201,
            headers={"Location": address, **offset_headers(upload)},
        )


class UploadView(TusView):
    throttle_classes = ()  # a large file comes in many parts; their bytes are counted, not their number

    def _upload(self, request: Request, upload_id: UUID) -> Upload:
        return uploads.upload_get(upload_id=upload_id, **asker(request))

    @extend_schema(operation_id="uploads_offset", responses={200: None})
    def head(self, request: Request, upload_id: UUID) -> Response:
        # Also finishes what a killed server left whole: after this a client that sees all bytes asks no more.
        upload = uploads.upload_finish(upload=self._upload(request, upload_id), become=become)
        told = {"Upload-Length": str(upload.length), **offset_headers(upload), **result_headers(upload)}
        return Response(headers=told)

    @extend_schema(operation_id="uploads_read", responses={200: dict})
    def get(self, request: Request, upload_id: UUID) -> Response:
        upload = uploads.upload_finish(upload=self._upload(request, upload_id), become=become)
        return Response(state_of(upload), headers=result_headers(upload))

    @extend_schema(operation_id="uploads_append", request={BODY_TYPE: bytes}, responses={204: None})
    def patch(self, request: Request, upload_id: UUID) -> Response:
        if request.content_type.partition(";")[0].strip() != BODY_TYPE:
            raise WrongType(f"Send the bytes as {BODY_TYPE}.", field="Content-Type")
        if not request.headers.get("Content-Length"):
            raise LengthRequired("Send Content-Length; chunked bodies cannot be checked against the announced size.")
        upload = self._upload(request, upload_id)
        check_purpose(request, upload.purpose)
        body: HttpRequest = request._request  # read as a stream: DRF would collect it in memory
        uploads.upload_append(
            upload=upload,
            offset=whole_number(request, "Upload-Offset"),
            length=whole_number(request, "Content-Length"),
            body=body,
            follow=body.META.get(FOLLOWS, 0),
        )
        upload = uploads.upload_finish(upload=upload, become=become)
        return Response(status=204, headers={**offset_headers(upload), **result_headers(upload)})

    @extend_schema(operation_id="uploads_delete", responses={204: None})
    def delete(self, request: Request, upload_id: UUID) -> Response:
        upload = self._upload(request, upload_id)
        check_purpose(request, upload.purpose)
        uploads.upload_remove(upload)
        return Response(status=204)


def offset_headers(upload: Upload) -> dict[str, str]:
    return {
        "Upload-Offset": str(uploads.upload_offset(upload)),
        "Upload-Expires": http_date(uploads.upload_expires_at(upload).timestamp()),
    }


def result_of(upload: Upload) -> dict[str, str] | None:
    if upload.result_id is None:
        return None
    page = "videos:detail" if upload.purpose == Upload.Purpose.LIBRARY else "duplicates:lookup"
    return {"url": reverse(page, args=[upload.result_id]), "id": str(upload.result_id)}


def result_headers(upload: Upload) -> dict[str, str]:
    result = result_of(upload)
    return {"Upload-Result": json.dumps(result)} if result else {}


def state_of(upload: Upload) -> dict[str, Any]:
    return {
        "id": str(upload.id),
        "file_name": upload.file_name,
        "purpose": upload.purpose,
        "offset": uploads.upload_offset(upload),
        "length": upload.length,
        "result": result_of(upload),
    }
