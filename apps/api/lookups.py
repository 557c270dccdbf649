"""/lookups: where does this video exist already?

POST /lookups            multipart "file", or {"video_id": ..., "start": seconds, "end": seconds}, where start and end
                         are optional, or {"upload_id": ...} of a finished lookup upload
GET  /lookups/{id}       stage and percent while it works, then {"verdict", "matches": [...]}
POST /lookups/{id}/add   the asked file becomes a video of the library
"""

from __future__ import annotations

from math import isfinite
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.people import Asker, asker, session_keys, signed_in
from apps.accounts.permissions import may_see_paths
from apps.api.permissions import MayLook, MayUpload
from apps.api.throttles import LookupLimit, WorkLimit
from apps.core.exceptions import Conflict, InvalidInput, NotAllowed, NotFound
from apps.duplicates.lookups.answers import lookup_answer
from apps.duplicates.lookups.asking import lookup_create
from apps.duplicates.lookups.files import lookup_add_to_library, lookup_delete
from apps.duplicates.lookups.receiving import lookup_receive
from apps.duplicates.lookups.selectors import lookup_file_open_to, lookup_get
from apps.duplicates.models import Lookup
from apps.videos.models import Upload
from apps.videos.uploads import upload_get

ASK = {
    "multipart/form-data": {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}},
    },
    "application/json": {
        "type": "object",
        "properties": {
            "video_id": {"type": "string", "format": "uuid"},
            "start": {
                "type": "number",
                "description": "for a library video: look up only the part from this second on",
            },
            "end": {"type": "number", "description": "for a library video: look up only the part up to this second"},
            "upload_id": {"type": "string", "format": "uuid"},
        },
    },
}


class LookupListView(APIView):
    permission_classes = (MayLook,)
    throttle_classes = (LookupLimit,)

    @extend_schema(operation_id="lookups_create", request=ASK, responses={201: dict})
    def post(self, request: Request) -> Response:
        given = [name for name in ("file", "video_id", "upload_id") if request.data.get(name)]
        if len(given) != 1:
            raise InvalidInput("Send one of: file, video_id, upload_id.", field=given[1] if len(given) > 1 else "file")
        who = asker(request, start_session=True)
        name, value = given[0], request.data[given[0]]
        start, end = (_seconds(request.data.get(field), field) for field in ("start", "end"))
        if name != "video_id" and (start is not None or end is not None):
            raise InvalidInput("A part can be chosen only of a video in the library.", field="start")
        if name == "file":
            if not isinstance(value, UploadedFile):
                raise InvalidInput("Send the file itself, as multipart/form-data.", field="file")
            lookup = lookup_receive(file=value, **who)
        elif name == "video_id":
            lookup = lookup_create(video_id=_uuid(value, name), start=start, end=end, **who)
        else:
            lookup = _from_upload(_uuid(value, name), who)
        address = reverse("api:lookup", args=[lookup.id])
        return Response(answer(request, lookup), status=201, headers={"Location": address})


class LookupView(APIView):
    permission_classes = (MayLook,)

    @extend_schema(operation_id="lookups_read", responses=dict)
    def get(self, request: Request, lookup_id: UUID) -> Response:
        return Response(answer(request, find(request, lookup_id)), headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="lookups_delete", responses={204: None})
    def delete(self, request: Request, lookup_id: UUID) -> Response:
        lookup = find(request, lookup_id)
        if lookup.owner_id is None and lookup.session_key != asker(request)["session_key"]:
            raise NotFound("You have no such lookup.")
        lookup_delete(lookup_id=lookup.id)
        return Response(status=204)


class LookupAddView(APIView):
    permission_classes = (MayUpload,)
    throttle_classes = (WorkLimit,)

    @extend_schema(
        operation_id="lookups_add",
        request=None,
        responses={200: OpenApiResponse(description="It was in the library"), 201: dict},
    )
    def post(self, request: Request, lookup_id: UUID) -> Response:
        lookup = find(request, lookup_id)
        if not lookup_file_open_to(lookup, user=signed_in(request), sessions=session_keys(request)):
            raise NotAllowed("Only the one who asked can add the file to the library.")
        video, new = lookup_add_to_library(lookup_id=lookup.id, owner=signed_in(request))
        body = {"video": {"id": str(video.id), "title": video.title, "state": video.state}, "new": new}
        return Response(body, status=201 if new else 200, headers={"Location": reverse("api:video", args=[video.id])})


def find(request: Request, lookup_id: UUID) -> Lookup:
    return lookup_get(lookup_id=lookup_id, user=signed_in(request))


def answer(request: Request, lookup: Lookup) -> dict[str, Any]:
    return lookup_answer(lookup, with_paths=may_see_paths(signed_in(request)))


def _uuid(value: Any, field: str) -> UUID:
    try:
        return UUID(str(value))
    except ValueError as error:
        raise InvalidInput(f"{field} is not an id.", field=field) from error


def _seconds(value: Any, field: str) -> float | None:
    """A number of seconds; None when nothing was sent."""
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
        if isinstance(value, bool) or not isfinite(seconds):
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{field} must be a number of seconds.", field=field) from error
    return seconds


def _from_upload(upload_id: UUID, who: Asker) -> Lookup:
    """An upload with the purpose "lookup" becomes one by itself when its last byte arrives."""
    upload = upload_get(upload_id=upload_id, **who)
    if upload.purpose != Upload.Purpose.LOOKUP:
        raise Conflict("This upload is for the library. Upload with the purpose lookup instead.")
    if upload.result_id is None:
        raise Conflict("This upload is not complete yet. Send the rest first.")
    return lookup_get(lookup_id=upload.result_id, user=who["owner"])
