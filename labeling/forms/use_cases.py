"""A use case, as staff enter it."""

from django import forms

from labeling.forms.areas import Area
from labeling.rules.use_cases import MAX_CHARACTERS


class UseCaseForm(forms.Form):
    """What somebody wants a model for."""

    text = forms.CharField(
        label="Use case", max_length=MAX_CHARACTERS, widget=Area(attrs={"rows": 4}),
        help_text="Vague enough to name nobody: “A shop that answers questions about its plants.”",
    )  # fmt: skip
