"""What is wrong with a response, in a labeler's words."""

from django import forms

from labeling.forms.areas import Area
from labeling.models import ResponseReport
from labeling.rules.response_reports import MAX_REPORT_CHARACTERS


class ReportForm(forms.Form):
    """A reason, and a note that "something else" cannot do without."""

    reason = forms.ChoiceField(
        choices=ResponseReport.Reason.choices,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what is wrong with it."},
    )
    note = forms.CharField(required=False, max_length=MAX_REPORT_CHARACTERS, widget=Area(attrs={"rows": 3}))
