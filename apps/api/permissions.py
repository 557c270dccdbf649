"""DRF's view of apps.accounts.permissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.accounts import permissions as rules
from apps.accounts.people import signed_in


class Rule(BasePermission):
    allowed: Callable[[User | None], bool]

    def has_permission(self, request: Request, view: Any) -> bool:
        return self.allowed(signed_in(request))


class MayLook(Rule):
    message = "Log in, or send an API token, to search and watch."
    allowed = staticmethod(rules.may_look)


class MayUpload(Rule):
    message = "Your account is not allowed to upload videos. Ask an administrator to add it to the group Uploaders."
    allowed = staticmethod(rules.may_upload)


class MayReview(Rule):
    message = "Your account is not allowed to review duplicates. Ask an administrator to add it to the group Reviewers."
    allowed = staticmethod(rules.may_review)


class MayAdminister(Rule):
    message = "Only administrators can do this."
    allowed = staticmethod(rules.may_administer)


class LoggedIn(Rule):
    message = "Log in first."
    allowed = staticmethod(lambda user: user is not None)


class MayTrain(Rule):
    message = "Your account is not allowed to train models. Ask an administrator to add it to the group Trainers."
    allowed = staticmethod(rules.may_train)
