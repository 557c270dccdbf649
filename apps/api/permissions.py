"""DRF's view of apps.accounts.permissions."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts import permissions as rules


class MayLook(BasePermission):
    message = "Log in, or send an API token, to search and watch."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_look(request.user)


class MayUpload(BasePermission):
    message = "Your account may not upload videos. Ask an administrator to add it to the group Uploaders."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_upload(request.user)


class MayReview(BasePermission):
    message = "Your account may not review duplicates. Ask an administrator to add it to the group Reviewers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_review(request.user)


class MayAdminister(BasePermission):
    message = "Only administrators may do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_administer(request.user)


class LoggedIn(BasePermission):
    message = "Log in first."

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.is_authenticated)


class MayTrain(BasePermission):
    message = "Your account may not train models. Ask an administrator to add it to the group Trainers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return rules.may_train(request.user)
