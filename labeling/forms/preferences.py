"""What labelers choose about their own work."""

from django import forms

from labeling.rules.preferences import MAX_MINUTES


class PreferencesForm(forms.Form):
    """Distressing material, and the reminder of breaks."""

    avoids_distressing = forms.BooleanField(
        label="Do not give me distressing material",
        required=False,
        help_text="Prompts flagged as sensitive, tasks that somebody passed on as harmful, and toxicity "
        "evaluations are then not served to you. Nobody holds it against you, and you can change it at any "
        "time.",
    )
    break_after_minutes = forms.IntegerField(
        label="Remind me of a break after this many minutes at work",
        min_value=0,
        max_value=MAX_MINUTES,
        help_text="A note that you can close; 0 is never.",
    )
