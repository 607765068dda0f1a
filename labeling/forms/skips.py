"""The form of the share of skips that deserves attention."""

from django import forms

from labeling.rules.skip_attention import MAX_LEAST_TASKS


class SkipAttentionForm(forms.Form):
    """Another threshold."""

    percent = forms.IntegerField(
        label="Look closer above", min_value=1, max_value=100, help_text="Percent of finished tasks."
    )
    least_tasks = forms.IntegerField(
        label="Once somebody has finished",
        min_value=1,
        max_value=MAX_LEAST_TASKS,
        help_text="Tasks; a share of fewer says nothing.",
    )
