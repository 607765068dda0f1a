"""Prompts, for staff."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import generics, serializers

from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Choice, ErrorBody
from labeling.models import Category, Prompt, PromptSource, Split
from labeling.rules.access import Action


class PromptBody(serializers.ModelSerializer[Prompt]):
    """A prompt and what intake found out about it."""

    class Meta:
        model = Prompt
        fields = (
            "code",
            "text",
            "source",
            "kind",
            "author_key",
            "external_id",
            "split",
            "language",
            "category",
            "tags",
            "words",
            "has_pii",
            "pii_spans",
            "held_reason",
            "written_at",
            "created_at",
        )
        read_only_fields = fields


# What to list; nothing else in the address reaches a query.
PromptFilter = type(
    inline_serializer(
        "PromptFilter",
        {
            "split": Choice(choices=Split.choices, required=False),
            "source": Choice(choices=PromptSource.choices, required=False),
            "category": Choice(choices=Category.choices, required=False),
            "language": serializers.RegexField(r"^[a-z]{2,8}$", required=False),
            "has_pii": serializers.BooleanField(required=False, allow_null=True, default=None),
            "is_held": serializers.BooleanField(required=False, allow_null=True, default=None),
        },
    )
)


@extend_schema(
    parameters=[PromptFilter],
    responses={200: PromptBody(many=True), 403: ErrorBody},
    tags=["prompts"],
)
class PromptList(generics.ListAPIView[Prompt]):
    """List prompts, newest first."""

    permission_classes = (Requires(Action.SEE_PROMPTS),)
    pagination_class = KeysetPagination
    serializer_class = PromptBody
    queryset = Prompt.objects.all()

    def get_queryset(self) -> QuerySet[Prompt]:
        """Return the prompts that the address asks for."""
        wanted = PromptFilter(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        prompts = Prompt.objects.all()
        for name, value in wanted.validated_data.items():
            if name == "is_held" and value is not None:
                prompts = prompts.exclude(held_reason="") if value else prompts.filter(held_reason="")
            elif value is not None:
                prompts = prompts.filter(**{name: value})
        return prompts


@extend_schema(responses={200: PromptBody, 403: ErrorBody, 404: ErrorBody}, tags=["prompts"])
class PromptDetail(generics.RetrieveAPIView[Prompt]):
    """Return one prompt."""

    permission_classes = (Requires(Action.SEE_PROMPTS),)
    serializer_class = PromptBody
    queryset = Prompt.objects.all()
    lookup_field = "code"
