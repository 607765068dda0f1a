"""Forms of the playground."""

from typing import Any

from django import forms

from labeling.forms.areas import Area
from labeling.models import PromptNotice
from training.models import Conversation, Model
from training.rules.playground_policies import MAX_SIDES, MAX_TEMPERATURE, talkers

OFFERED = 24
KEEP, LEAVE = "keep", "leave"


class StartForm(forms.Form):
    """With whom to talk and how, whether prompts are kept, and the first prompt.

    People who may not know policies only write and agree: `tells_names` is False for them.
    """

    use_required_attribute = False

    mode = forms.ChoiceField(
        label="How",
        choices=Conversation.Mode.choices,
        initial=Conversation.Mode.OPEN,
        widget=forms.RadioSelect,
    )
    models = forms.ModelMultipleChoiceField(
        label="With whom",
        queryset=Model.objects.none(),
        to_field_name="code",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=f"Of your choice: one to {MAX_SIDES}. Before and after: the later policy, or none for the "
        "newest. Blind: two, or none to have two drawn.",
    )
    temperature = forms.FloatField(
        min_value=0, max_value=MAX_TEMPERATURE, initial=1.0, help_text="0 always takes the likeliest word."
    )
    top_p = forms.FloatField(
        label="Top-p", min_value=0, max_value=1, initial=1.0, help_text="1 leaves every word possible."
    )
    max_tokens = forms.IntegerField(
        label="Longest reply", min_value=1, required=False, help_text="In tokens; empty takes what fits."
    )
    prompt = forms.CharField(widget=Area(attrs={"rows": 5, "dir": "auto"}), strip=False, required=True)
    consent = forms.ChoiceField(label="Your prompts", widget=forms.RadioSelect)
    notice = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        notice: PromptNotice | None,
        tells_names: bool,
        words: str = "",
        chosen: Model | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        kept = (KEEP, "Keep them for training, under the notice above")
        left = (LEAVE, "Do not keep them; the words are deleted a day later")
        self.fields["consent"] = forms.ChoiceField(
            label="Your prompts",
            widget=forms.RadioSelect,
            choices=[*([kept] if notice else []), *([left] if tells_names else [])],
            initial=None if notice else LEAVE,  # without a notice there is nothing to choose
        )
        self.fields["notice"].initial = notice.version if notice else None
        if not tells_names:
            for name in ("mode", "models", "temperature", "top_p", "max_tokens"):
                del self.fields[name]
            return
        everyone = talkers()
        found = everyone.filter(name__icontains=words) if words else everyone
        keys = list(found.values_list("pk", flat=True)[:OFFERED])
        if chosen is not None:
            keys.append(chosen.pk)
        # What is offered is a part; what is sent may be any policy.
        given = self.data.getlist("models") if self.is_bound and hasattr(self.data, "getlist") else []
        offered = everyone if given else everyone.filter(pk__in=keys)
        field = forms.ModelMultipleChoiceField(
            label="With whom",
            queryset=offered,
            to_field_name="code",
            required=False,
            widget=forms.CheckboxSelectMultiple,
            help_text=self.fields["models"].help_text,
            error_messages={"invalid_choice": "One of these cannot be talked to any more."},
        )
        self.fields["models"] = field
        if given:
            field.widget.choices = [(str(model.code), str(model)) for model in everyone.filter(pk__in=keys)]
        if chosen is not None:
            field.initial = [chosen.code]

    def settings(self) -> dict[str, Any]:
        """Return what starts the conversation."""
        data = self.cleaned_data
        consent = data["notice"] if data["consent"] == KEEP else None
        if "mode" not in self.fields:
            return {"mode": Conversation.Mode.BLIND, "consent": consent}
        names = ("mode", "temperature", "top_p", "max_tokens")
        return {name: data[name] for name in names} | {"models": list(data["models"]), "consent": consent}
