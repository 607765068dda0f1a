"""Forms of the questions board."""

from typing import TYPE_CHECKING

from django import forms

from labeling.forms.areas import Area
from labeling.models import Guideline, TaskKind
from labeling.rules.questions import MAX_BODY, MAX_TITLE

if TYPE_CHECKING:
    GuidelineChoice = forms.ModelChoiceField[Guideline]
else:
    GuidelineChoice = forms.ModelChoiceField  # Django's own has no parameter


class GuidelineField(GuidelineChoice):
    """One version of a guideline, by its title."""

    def label_from_instance(self, obj: Guideline) -> str:
        return f"{obj.title}, version {obj.version}"


class QuestionForm(forms.Form):
    """A question, and what it is about."""

    title = forms.CharField(label="Your question", max_length=MAX_TITLE)
    body = forms.CharField(
        label="More about it", required=False, max_length=MAX_BODY, widget=Area(attrs={"rows": 6}),
        help_text="You may use Markdown. Everybody who labels can read it, so leave personal things out.",
    )  # fmt: skip
    kind = forms.ChoiceField(
        label="About", required=False, choices=(("", "No task in particular"), *TaskKind.choices)
    )
    guideline = GuidelineField(
        label="About a guideline", required=False, queryset=Guideline.objects.all(), to_field_name="code",
        empty_label="None",
    )  # fmt: skip


class AnswerForm(forms.Form):
    """The answer that counts for everybody."""

    answer = forms.CharField(
        max_length=MAX_BODY, widget=Area(attrs={"rows": 8}),
        help_text="You may use Markdown. Everybody who labels sees it as news until they have read it.",
    )  # fmt: skip


class MergeForm(forms.Form):
    """The question that stands for a duplicate."""

    into = forms.UUIDField(
        label="Code of the question that stays", help_text="It stands on the page of that question."
    )


class BoardFilterForm(forms.Form):
    """What of the board is shown."""

    q = forms.CharField(label="Words", required=False, max_length=200)
    kind = forms.ChoiceField(label="About", required=False, choices=(("", "Anything"), *TaskKind.choices))
    state = forms.ChoiceField(
        required=False, choices=(("", "All"), ("waiting", "Waiting for an answer"), ("answered", "Answered"))
    )
