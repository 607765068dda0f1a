"""A webhook as staff enter it."""

from django import forms

from labeling.models import Webhook
from labeling.rules.webhooks import CHOSEN, MAX_NAME


class WebhookForm(forms.Form):
    """Where to, and what about."""

    name = forms.CharField(max_length=MAX_NAME, help_text="For yourselves: who receives it.")
    url = forms.CharField(
        label="Address",
        max_length=500,
        help_text="It starts with https:// and is on the public internet, or in a network an operator named.",
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/instructloop"}),
    )
    events = forms.MultipleChoiceField(
        choices=[(event.value, event.label) for event in CHOSEN],
        widget=forms.CheckboxSelectMultiple,
        help_text="What it is told of.",
    )

    @classmethod
    def of(cls, webhook: Webhook) -> "WebhookForm":
        """Return the form with what a webhook has now."""
        return cls(initial={"name": webhook.name, "url": webhook.url, "events": webhook.events})
