"""The answer to addresses under /api/ that do not exist."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.exceptions import NotFound


@extend_schema(exclude=True)
class UnknownView(APIView):
    permission_classes = [AllowAny]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        raise NotFound("The API has no such address. /api/schema lists all addresses.")

    def get(self, request: Request) -> Response:  # never reached: ``initial`` raises for every method
        return Response(status=404)
