"""Forms of the account page."""

import zoneinfo
from typing import Any

from django import forms


class ProfileForm(forms.Form):
    """One's own name and time zone."""

    name = forms.CharField(max_length=120, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    time_zone = forms.CharField(
        max_length=64, help_text="Days and hours are counted in it, for example Europe/Berlin.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off"}),
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.time_zones = sorted(zoneinfo.available_timezones())

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"].strip()
        if zone not in self.time_zones:
            raise forms.ValidationError(f"“{zone}” is not a time zone; an example is Europe/Berlin.")
        return zone
