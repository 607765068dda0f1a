"""Forms of the labelers' pages: they check shape; what a label must hold is for the rules."""

import json
import uuid
from typing import Any

from django import forms
from django.http import QueryDict

from labeling.forms.about_prompts import AboutPromptFields
from labeling.forms.areas import Area
from labeling.models import Skip


def new_key() -> str:
    return str(uuid.uuid4())


class SubmissionForm(forms.Form):
    """What every submission of a label carries."""

    idempotency_key = forms.CharField(max_length=80, initial=new_key, widget=forms.HiddenInput)

    def renew_key(self) -> None:
        """Let the page be sent once more as a submission of its own."""
        data = QueryDict(mutable=True)
        data.update(self.data)
        data["idempotency_key"] = new_key()
        self.data = data


class WritingForm(SubmissionForm):
    """What every submission of something written carries besides: how it came to be."""

    typing_counts = forms.CharField(required=False, max_length=400, widget=forms.HiddenInput)

    def typing(self) -> dict[str, Any]:
        """Return the counts of what was typed and pasted; none where the page sent nothing readable."""
        try:
            counts = json.loads(self.cleaned_data.get("typing_counts") or "{}")
        except ValueError:
            return {}
        return counts if isinstance(counts, dict) else {}


class DemonstrationForm(AboutPromptFields, WritingForm):
    """The response that a labeler writes, exactly as typed, and what they say about the prompt."""

    text = forms.CharField(
        label="Your response",
        strip=False,
        widget=Area(attrs={"rows": 14, "dir": "auto", "autofocus": True, "spellcheck": "true"}),
        error_messages={"required": "The response is empty; write one, or skip the task."},
    )


class SkipForm(forms.Form):
    """Why a task is passed on."""

    reason = forms.ChoiceField(
        choices=Skip.Reason.choices,
        widget=forms.RadioSelect(attrs={"data-first": True}),  # autofocus would ask for the focus of the page
        error_messages={"required": "Choose a reason, so that the task reaches somebody who can do it."},
    )
    note = forms.CharField(
        label="Anything to add", required=False, max_length=2000, widget=Area(attrs={"rows": 2})
    )
