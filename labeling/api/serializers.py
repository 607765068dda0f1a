"""Bodies that several endpoints share."""

from copy import copy
from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from labeling.models import PromptKind, TaskKind
from labeling.rules.readings import MAX_CHARACTERS


class Choice(serializers.ChoiceField):
    """One of a few values; a refusal names them."""

    def __init__(self, choices: Any, **options: Any) -> None:
        super().__init__(choices, **options)
        allowed = ", ".join(str(key) for key in self.choices)
        self.error_messages["invalid_choice"] = f'"{{input}}" is not one of {allowed}.'


class Body(serializers.Serializer[Any]):
    """A body of named values, read or shown; saving is the rules' business."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return copies of the fields that share what they are made of: nothing here changes it.

        The framework copies each field with all its parts for each request; that takes longer than reading.
        """
        return {name: copy(field) for name, field in self._declared_fields.items()}


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
    criteria = serializers.ListField(
        child=serializers.CharField(), help_text="What counts, most important first."
    )


def _flags(help_text: str, name: str = "Flag", **more: serializers.Field[Any, Any, Any, Any]) -> Any:
    words = {part: serializers.CharField() for part in ("key", "label", "help")}
    return inline_serializer(name, {**words, **more}, many=True, help_text=help_text)


def _scales(help_text: str, name: str = "Scale") -> Any:
    words = {part: serializers.CharField() for part in ("key", "label", "help")}
    ends = {part: serializers.IntegerField() for part in ("min", "max")}
    anchors = {"anchors": serializers.DictField(child=serializers.CharField())}
    return inline_serializer(name, {**words, **ends, **anchors}, many=True, help_text=help_text)


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
    scales = _scales("Further scales of each response; every one needs an answer.")
    flags = _flags("Asked of each response, as the prompt is tagged.")
    conditional_flags = _flags(
        "Asked where the flag of the prompt named in `when` is answered with yes.",
        "ConditionalFlag",
        when=serializers.CharField(),
    )
    asks_category = serializers.BooleanField()
    prompt_flags = _flags("Asked about the prompt.", "PromptFlag")
    prompt_scales = _scales("Scales of the prompt; every one needs an answer.", "PromptScale")


class ShownResponse(Body):
    """A response as a labeler sees it: nothing says who wrote it."""

    code = serializers.UUIDField()
    text = serializers.CharField(allow_blank=True)


class ReadingBody(Body):
    """What a labeler takes one response to say before they see the prompt."""

    code = serializers.UUIDField(help_text="Of the response.")
    text = serializers.CharField(
        required=False, allow_blank=True, trim_whitespace=False, default="", max_length=MAX_CHARACTERS
    )
    cannot_tell = serializers.BooleanField(
        default=False, help_text="The response alone does not tell; then it needs no words."
    )


class WritingBody(Body):
    """What sort of prompt is to be written."""

    prompt_kind = serializers.ChoiceField(choices=PromptKind.choices)
    use_case = serializers.CharField(allow_blank=True)
    min_pairs = serializers.IntegerField()
    max_pairs = serializers.IntegerField()


class AssignmentBody(Body):
    """A leased task with all that doing it needs."""

    code = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=TaskKind.choices)
    lease_expires_at = serializers.DateTimeField()
    guideline = GuidelineBody(allow_null=True)
    form = FormBody(allow_null=True, help_text="Null too while readings are awaited.")
    prompt = serializers.CharField(
        allow_blank=True,
        help_text="The text to respond to; empty where the labeler writes it and while readings are awaited.",
    )
    awaits_readings = serializers.BooleanField(
        help_text="The prompt is shown once the readings are stored: POST assignments/<code>/readings/."
    )
    readings = ReadingBody(many=True, help_text="As they were stored, in the order of the responses.")
    writing = WritingBody(allow_null=True, help_text="Only in prompt writing.")
    instruction = serializers.CharField(
        allow_blank=True, help_text="Toxicity evaluation: what the model was told before the prompt."
    )
    responses = ShownResponse(many=True, help_text="In the order in which to show them.")
    start = serializers.CharField(
        help_text="From which order the ranking is to set out: shuffled or ratings."
    )
    draft = DraftBody(allow_null=True)
