"""The form of the notice that prompts are consented to under."""

from django import forms

from labeling.forms.areas import Area


class PromptNoticeForm(forms.Form):
    """The next version of the notice."""

    body = forms.CharField(label="Text", widget=Area(attrs={"rows": 16}), help_text="Markdown.", strip=False)
