"""Forms about prompts."""

from typing import Any

from django import forms

from labeling.models import Category, Prompt, PromptSource, Split


class PromptFilterForm(forms.Form):
    """Narrow the list of prompts."""

    q = forms.CharField(label="Search", required=False)
    split = forms.ChoiceField(choices=(("", "Any"), *Split.choices), required=False)
    source = forms.ChoiceField(choices=(("", "Any"), *PromptSource.choices), required=False)
    category = forms.ChoiceField(choices=(("", "Any"), *Category.choices), required=False)
    language = forms.ChoiceField(required=False)
    state = forms.ChoiceField(
        choices=(("", "Any"), ("usable", "Usable"), ("held", "Held back"), ("pii", "With personal data")),
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"] = forms.ChoiceField(
            choices=(("", "Any"), *language_choices()), required=False
        )


def language_choices() -> list[tuple[str, str]]:
    """List the languages that prompts are in."""
    found = Prompt.objects.order_by("language").values_list("language", flat=True).distinct()
    return [(language, language) for language in found if language]
