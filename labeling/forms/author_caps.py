"""The form of the cap on the prompts of one customer."""

from django import forms

from labeling.rules.author_caps import MAX_CAP


class AuthorCapForm(forms.Form):
    """Another cap."""

    cap = forms.IntegerField(
        label="Prompts in use of one customer",
        min_value=0,
        max_value=MAX_CAP,
        help_text="The oldest stay in use; later ones are kept and held. The paper had about 200.",
    )
