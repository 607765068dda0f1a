"""The form of the notice that prompts are consented to under."""

from django import forms


class PromptNoticeForm(forms.Form):
    """The next version of the notice."""

    body = forms.CharField(
        label="Text", widget=forms.Textarea(attrs={"rows": 16}), help_text="Markdown.", strip=False
    )
