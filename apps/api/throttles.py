"""DRF's view of apps.accounts.throttling: the limits of the pages, counted in the same buckets."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from apps.accounts.throttling import requester
from apps.core.limits import Bucket, limit_take

CHANGES = ("POST", "PUT", "PATCH", "DELETE")


class Limited(BaseThrottle):
    """Takes one of the limit ``name``; requests by other methods than ``methods`` take from the one of all calls."""

    name = "api"
    methods: tuple[str, ...] = ()

    def allow_request(self, request: Request, view: object) -> bool:
        costs = not self.methods or request.method in self.methods
        limit_take(Bucket(self.name if costs else Limited.name, requester(request)))
        return True


class SearchLimit(Limited):
    name = "search"


class LookupLimit(Limited):
    name = "lookup"
    methods = ("POST",)


class UploadLimit(Limited):
    name = "upload"
    methods = ("POST",)


class FeedbackLimit(Limited):
    name = "feedback"


class TrainingLimit(Limited):
    name = "training"
    methods = CHANGES


class WorkLimit(Limited):
    """What starts work in the background."""

    name = "work"
    methods = CHANGES


class TokenLimit(Limited):
    name = "token"
    methods = ("POST",)
