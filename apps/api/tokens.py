"""/tokens: of the person who is logged in. A token cannot make or read tokens; that takes a login."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.accounts.models import ApiToken, Scope
from apps.accounts.people import account
from apps.accounts.tokens import DEFAULT_DAYS, MOST_DAYS, token_create, token_revoke
from apps.api.permissions import LoggedIn
from apps.api.throttles import TokenLimit


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    class Meta:
        model = ApiToken
        fields = ("id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields


class TokenWishSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=Scope.choices),
        required=False,
        default=list,
        help_text="What the token can do besides reading; never more than your account can.",
    )
    expires_in_days = serializers.IntegerField(required=False, default=DEFAULT_DAYS, min_value=1, max_value=MOST_DAYS)


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(read_only=True, help_text="Shown this once.")

    class Meta(TokenSerializer.Meta):
        fields = (*TokenSerializer.Meta.fields, "token")  # type: ignore[assignment]


class TokenListView(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes = (LoggedIn,)
    throttle_classes = (TokenLimit,)

    @extend_schema(operation_id="tokens_list", responses=TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = ApiToken.objects.filter(user=account(request))
        return Response({"results": TokenSerializer(rows, many=True).data})

    @extend_schema(
        operation_id="tokens_create",
        request=TokenWishSerializer,
        responses={201: NewTokenSerializer},
    )
    def post(self, request: Request) -> Response:
        asked = TokenWishSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        row, token = token_create(
            user=account(request), name=wanted["name"], scopes=wanted["scopes"], days=wanted["expires_in_days"]
        )
        answer: dict[str, Any] = {**TokenSerializer(row).data, "token": token}
        return Response(
            answer,
            status=status.HTTP_201_CREATED,
            headers={"Cache-Control": "no-store"},
        )


class TokenView(APIView):
    authentication_classes = (SessionAuthentication,)
    permission_classes = (LoggedIn,)

    @extend_schema(operation_id="tokens_revoke", responses={204: None})
    def delete(self, request: Request, token_id: UUID) -> Response:
        token_revoke(user=account(request), token_id=token_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
