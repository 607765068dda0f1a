"""Forms about anchors."""

from typing import Any

from django import forms

from labeling.models import Policy, TaskKind
from labeling.rules.anchors import MAX_ANCHORS


class AnchorSetForm(forms.Form):
    """Two policies whose responses to some prompts are compared again in each batch."""

    use_required_attribute = False

    name = forms.CharField(max_length=120)
    kind = forms.ChoiceField(
        choices=[(kind.value, kind.label) for kind in TaskKind if kind.is_ranked],
        initial=TaskKind.COMPARISON,
    )
    watched = forms.ModelChoiceField(
        label="Responses of",
        queryset=Policy.objects.none(),
        empty_label="Choose one",
        help_text="Its share of wins is watched.",
    )
    against = forms.ModelChoiceField(
        label="Against those of",
        queryset=Policy.objects.none(),
        empty_label="Choose one",
        help_text="For instance people, or the SFT.",
    )
    count = forms.IntegerField(label="How many prompts", min_value=1, max_value=MAX_ANCHORS, initial=10)
    description = forms.CharField(max_length=300, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("watched", "against"):
            field = self.fields[name]
            assert isinstance(field, forms.ModelChoiceField)
            field.queryset = Policy.objects.filter(responses__isnull=False).distinct()
