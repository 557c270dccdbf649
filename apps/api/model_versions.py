"""/model-versions: what is installed and which one serves."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.api.paging import Pages
from apps.embeddings.models import ModelVersion


class ModelVersionSerializer(serializers.ModelSerializer[ModelVersion]):
    class Meta:
        model = ModelVersion
        fields = (
            "id", "role", "name", "revision", "dim", "image_side", "preprocessing_hash", "weights_sha256", "state",
            "failure", "created_at", "promoted_at",
        )  # fmt: skip
        read_only_fields = fields


class ModelVersionListView(generics.ListAPIView[ModelVersion]):
    serializer_class = ModelVersionSerializer
    pagination_class = Pages
    queryset = ModelVersion.objects.order_by("-created_at", "-id")

    @extend_schema(operation_id="model_versions_list")
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)
