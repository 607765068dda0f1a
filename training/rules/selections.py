"""Which rows may become records, and in which part they stand. Enforced here, for every kind of dataset."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from labeling.errors import InvalidInput
from labeling.models import Cohort, Labeler, Prompt, PromptSource, Split
from training.models import DatasetKind
from training.rules.prompt_choice import WAYS

MEASURES = (DatasetKind.EVALUATION, DatasetKind.TOXICITY)
CUSTOMER_SOURCES = (PromptSource.PLAYGROUND, PromptSource.API)


@dataclass(frozen=True)
class Selection:
    """What a freeze takes. The same selection over the same rows gives the same bytes.

    batches           codes of batches; empty means all
    sources           prompt sources; empty means all, for PPO prompts the customers' ones
    cohorts           labeler cohorts; a selection with held-out labelers has no training part. Not named,
                      they are those that may train, and for evaluation judgements all
    prompts           codes of prompts (PPO prompts only); empty means all
    include_simulated whether simulated labelers' judgements count
    include_surplus   whether labels count that came after their slot had been filled
    include_anchors   whether labels of anchors count: the same comparisons stand in many batches
    chosen_by         how a comparison's prompt came into its batch: random is the control share where others
                      were chosen by the reward model's doubt; empty means all
    up_to             the newest row number that counts; 0 means the newest there is
    reviews_up_to     the newest review that counts; 0 means the newest there is
    """

    batches: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    cohorts: tuple[str, ...] = (Cohort.TRAIN.value, Cohort.RESEARCHER.value)
    prompts: tuple[str, ...] = ()
    include_simulated: bool = True
    include_surplus: bool = False
    include_anchors: bool = False
    chosen_by: tuple[str, ...] = ()
    up_to: int = 0
    reviews_up_to: int = 0

    def as_mapping(self) -> dict[str, Any]:
        """Return the selection as the manifest records it."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @property
    def may_train(self) -> bool:
        """True where nobody whose labels are held out is selected."""
        return Cohort.HELD_OUT not in self.cohorts


def read_selection(given: Mapping[str, Any] | Selection | None, *, kind: str) -> Selection:
    """Check what a dataset of a kind is to take, and add what was not named.

    Raises InvalidInput naming every key that is wrong and what is allowed.
    """
    if isinstance(given, Selection):
        return given
    known = {field.name for field in fields(Selection)}
    wrong: dict[str, str] = {}
    values: dict[str, Any] = {"cohorts": tuple(Cohort.values)} if kind in MEASURES else {}
    for key, value in (given or {}).items():
        if key not in known:
            wrong[key] = f"{key} is no part of a selection; known are {', '.join(sorted(known))}."
        elif key.startswith("include_"):
            values[key] = bool(value)
        elif key in ("up_to", "reviews_up_to"):
            if not isinstance(value, int) or value < 0:
                wrong[key] = f"{key} is {value!r}; allowed is a whole number, 0 or more."
            values[key] = value
        else:
            values[key] = tuple(str(item) for item in ([value] if isinstance(value, str) else value))
    known_values = {"sources": PromptSource.values, "cohorts": Cohort.values, "chosen_by": list(WAYS)}
    for key, allowed in known_values.items():
        if strange := set(values.get(key, ())) - set(allowed):
            wrong[key] = f"{key} has {', '.join(sorted(strange))}; allowed is {', '.join(allowed)}."
    if wrong:
        raise InvalidInput("This selection cannot be frozen: " + " ".join(wrong.values()), fields=wrong)
    return Selection(**values)


def part_of(prompt: Prompt, selection: Selection, labeler: Labeler | None = None) -> str | None:
    """Return the part a record of this prompt stands in, None where it may stand in none.

    The prompt's author has decided the split. A labeler outside the selected cohorts has no record; a
    selection with held-out labelers is for testing only. Personal data stays out of the training part.
    """
    if reason_to_drop(prompt, selection, labeler):
        return None
    return prompt.split if selection.may_train else Split.TEST.value


def reason_to_drop(prompt: Prompt, selection: Selection, labeler: Labeler | None = None) -> str:
    """Return why a prompt and a labeler give no record, empty where they do."""
    if prompt.held_reason:
        return "prompt_held"
    if selection.sources and prompt.source not in selection.sources:
        return "other_source"
    if prompt.split == Split.TRAIN and prompt.has_pii and selection.may_train:
        return "personal_data"
    if labeler is not None and labeler.cohort not in selection.cohorts:
        return "held_out_labeler" if labeler.cohort == Cohort.HELD_OUT else "other_cohort"
    if labeler is not None and labeler.is_simulated and not selection.include_simulated:
        return "simulated_labeler"
    return ""
