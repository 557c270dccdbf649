"""DRF's view of apps.accounts.permissions."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts import permissions as rules
from apps.accounts.people import signed_in


class MayLook(BasePermission):
    message = "Log in, or send an API token, to search and watch."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_look(signed_in(request))


class MayUpload(BasePermission):
    message = "Your account may not upload videos. Ask an administrator to add it to the group Uploaders."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_upload(signed_in(request))


class MayReview(BasePermission):
    message = "Your account may not review duplicates. Ask an administrator to add it to the group Reviewers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_review(signed_in(request))


class MayAdminister(BasePermission):
    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_administer(signed_in(request))


class LoggedIn(BasePermission):
    message = "Log in first."

    def has_permission(self, request: Request, view: Any) -> bool:
        return signed_in(request) is not None


class MayTrain(BasePermission):
    message = "Your account may not train models. Ask an administrator to add it to the group Trainers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_train(signed_in(request))
