"""Bodies that several endpoints share."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from labeling.models import TaskKind


class Choice(serializers.ChoiceField):
    """One of a few values; a refusal names them."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        allowed = ", ".join(str(key) for key in self.choices)
        self.error_messages["invalid_choice"] = f'"{{input}}" is not one of {allowed}.'


class Body(serializers.Serializer[Any]):
    """A body of named values, read or shown; saving is the rules' business."""


# Written as a call because a class cannot have attributes named as some of its base's.
ErrorBody = inline_serializer(
    "Error",
    {
        "code": serializers.CharField(help_text="Stable, for programs."),
        "message": serializers.CharField(help_text="A sentence for people."),
        "fields": serializers.DictField(
            help_text="What it concerns; on a 409 the receipt or the stored draft."
        ),
    },
)


class ReceiptBody(Body):
    """Proof that a submission was recorded."""

    code = serializers.UUIDField()
    assignment = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    content_hash = serializers.CharField(help_text="SHA-256 of what was submitted.")
    revision = serializers.IntegerField()
    is_surplus = serializers.BooleanField(
        help_text="It came after its slot had been filled: kept, not needed."
    )


class DraftBody(Body):
    """Unsubmitted work: the same shape as a submission, only incomplete."""

    version = serializers.IntegerField(min_value=0)
    payload = serializers.DictField()
    saved_at = serializers.DateTimeField(read_only=True)


class GuidelineBody(Body):
    """The instructions that the label will carry."""

    version = serializers.IntegerField()
    title = serializers.CharField()
    body = serializers.CharField(help_text="Markdown.")


class FormBody(Body):
    """The questions asked here; flags that this prompt does not call for are left out."""

    version = serializers.IntegerField()
    likert = inline_serializer(
        "Likert",
        {
            "min": serializers.IntegerField(),
            "max": serializers.IntegerField(),
            "label": serializers.CharField(),
            "anchors": serializers.DictField(child=serializers.CharField()),
        },
        allow_null=True,
    )
    flags = inline_serializer(
        "Flag",
        {"key": serializers.CharField(), "label": serializers.CharField(), "help": serializers.CharField()},
        many=True,
    )


class ShownResponse(Body):
    """A response as a labeler sees it: nothing says who wrote it."""

    code = serializers.UUIDField()
    text = serializers.CharField(allow_blank=True)


class AssignmentBody(Body):
    """A leased task with all that doing it needs."""

    code = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=TaskKind.choices)
    lease_expires_at = serializers.DateTimeField()
    guideline = GuidelineBody(allow_null=True)
    form = FormBody(allow_null=True)
    prompt = serializers.CharField(help_text="The text to respond to.")
    responses = ShownResponse(many=True, help_text="In the order in which to show them.")
    draft = DraftBody(allow_null=True)
