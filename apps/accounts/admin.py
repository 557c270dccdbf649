from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission, User
from django.db.models import ManyToManyField, Q, QuerySet
from django.forms import ModelMultipleChoiceField
from django.http import HttpRequest, HttpResponse

from apps.accounts.forms import AdminLoginForm
from apps.accounts.models import ApiToken
from apps.accounts.tokens import tokens_revoke

admin.site.login_form = AdminLoginForm
admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Tokens are made by their owners; an administrator may see that they exist and delete them."""

    list_display = ("name", "prefix", "user", "scopes", "created_at", "expires_at", "last_used_at")
    list_filter = ("created_at", "last_used_at")
    search_fields = ("name", "prefix", "user__username")
    fields = readonly_fields = ("name", "prefix", "user", "scopes", "created_at", "expires_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: ApiToken | None = None) -> bool:
        return False


def _permissions_of(user: User) -> QuerySet[Permission]:
    """All that the person has, directly or by a group."""
    if user.is_superuser:
        return Permission.objects.all()
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def _lacks_none(request: HttpRequest, permissions: QuerySet[Permission]) -> bool:
    return not permissions.exclude(id__in=_permissions_of(_asking(request)).values("id")).exists()


def _asking(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  the admin site lets nobody else through
    return request.user


class NoLadder(admin.ModelAdmin):  # type: ignore[type-arg]
    """Nobody hands out, to others or to themselves, what they do not have; superusers have everything."""

    def may_touch(self, request: HttpRequest, obj: Any) -> bool:
        raise NotImplementedError

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or self.may_touch(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or self.may_touch(request, obj))

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> ModelMultipleChoiceField[Any] | None:
        field = super().formfield_for_manytomany(db_field, request, **kwargs)
        if field is not None and not _asking(request).is_superuser:
            own = _permissions_of(_asking(request)).values("id")
            if db_field.related_model is Permission:
                field.queryset = Permission.objects.filter(id__in=own).select_related("content_type")
            else:
                above = Permission.objects.exclude(id__in=own).values("id")
                field.queryset = Group.objects.exclude(permissions__in=above)
        return field


@admin.register(User)
class PeopleAdmin(NoLadder, UserAdmin):
    """Only superusers make superusers, and change, delete or give a new password to one."""

    def may_touch(self, request: HttpRequest, obj: User) -> bool:
        if _asking(request).is_superuser:
            return True
        return not obj.is_superuser and _lacks_none(request, _permissions_of(obj))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _asking(request).is_superuser else (*fields, "is_superuser")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            tokens_revoke(user=obj)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        response: HttpResponse = super().user_change_password(request, id, form_url)
        changed = self.get_object(request, id) if request.method == "POST" else None
        if isinstance(changed, User) and not changed.has_usable_password():
            tokens_revoke(user=changed)  # a password that is switched off is no new one: Django tells no validator
        return response


@admin.register(Group)
class OwnGroupAdmin(NoLadder, GroupAdmin):  # type: ignore[misc]
    def may_touch(self, request: HttpRequest, obj: Group) -> bool:
        return _lacks_none(request, obj.permissions.all())
