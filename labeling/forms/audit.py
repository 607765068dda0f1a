"""Narrowing what staff did."""

from typing import Any

from django import forms

from labeling.models import AuditEvent, User
from labeling.rules import audit


class AuditFilterForm(forms.Form):
    """By whom, what, on what, when."""

    actor = forms.ModelChoiceField(
        label="Who", queryset=User.objects.none(), required=False, empty_label="Anybody"
    )
    action = forms.ChoiceField(label="What", required=False)
    object_type = forms.ChoiceField(label="On", required=False)
    object_code = forms.UUIDField(label="Code", required=False)
    since = forms.DateField(
        label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        actor = self.fields["actor"]
        assert isinstance(actor, forms.ModelChoiceField)
        actor.queryset = User.objects.filter(pk__in=AuditEvent.objects.order_by().values("actor"))
        for name in ("action", "object_type"):
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            words = [(value, value.replace("_", " ")) for value in audit.known(name)]
            field.choices = [("", "Anything"), *words]
