"""What follows for datasets and models when a person's prompts are erased."""

import json
from collections.abc import Collection
from dataclasses import dataclass

from labeling.errors import InvalidInput
from labeling.models import AuditEvent, User
from labeling.rules import audit
from labeling.rules.erasure import Erasure, erase_author
from training.models import Dataset, Model
from training.rules import artifacts
from training.rules.datasets import freeze_dataset
from training.rules.models import models_of
from training.rules.playground import erase_conversations_of

SAW = "saw_erased_prompts"


@dataclass(frozen=True)
class Consequences:
    """What was erased, which datasets held it with what replaces them, and which models saw it.

    A dataset has no replacement where nothing else was in it.
    """

    erasure: Erasure
    datasets: tuple[tuple[Dataset, Dataset | None], ...]
    models: tuple[Model, ...]


def erase_prompts_of(*, author_key: str, by: User | None, reason: str) -> Consequences:
    """Erase an author's prompts, make a new version of each dataset that held one, mark models that saw it.

    Datasets never change, so the old ones stay as they were until somebody deletes them; each new version is
    the same selection without the erased rows. Raises what `erase_author` raises.
    """
    erasure = erase_author(author_key=author_key, by=by, reason=reason)
    erase_conversations_of(author_key, by=by)
    wanted = frozenset(erasure.prompts)
    found: list[tuple[Dataset, Dataset | None]] = []
    marked: dict[int, Model] = {}
    for dataset in Dataset.objects.order_by("pk"):
        held = prompts_in(dataset, wanted)
        if not held:
            continue
        newer = _new_version(dataset, by)
        found.append((dataset, newer))
        audit.record(
            actor=by, action="replace_dataset", obj=dataset, erased_prompts=held,
            replaced_by=str(newer.code) if newer else None,
        )  # fmt: skip
        for model in models_of(dataset):
            marked[model.pk] = model
            audit.record(actor=by, action=SAW, obj=model, dataset=str(dataset.code), erased_prompts=held)
    return Consequences(erasure, tuple(found), tuple(marked.values()))


def prompts_in(dataset: Dataset, codes: Collection[str]) -> int:
    """Count which of these prompts stand in a dataset; reads its files once, line by line."""
    found: set[str] = set()
    for part in dataset.manifest.get("parts", []):
        if not artifacts.exists(dataset.folder):
            continue
        with artifacts.reading(dataset.folder, part["path"]) as file:
            for line in file:
                record = json.loads(line)
                code = record.get("prompt_id") or record.get("id")
                if code in codes:
                    found.add(code)
    return len(found)


def erased_prompts_seen(model: Model) -> int:
    """Return how many prompts, erased since, a model was trained on; 0 where there is none."""
    events = AuditEvent.objects.filter(action=SAW, object_type="model", object_code=str(model.code))
    return sum(int(event.detail.get("erased_prompts", 0)) for event in events)


def _new_version(dataset: Dataset, by: User | None) -> Dataset | None:
    selection = {key: value for key, value in dataset.manifest["selection"].items() if key != "up_to"}
    try:
        return freeze_dataset(kind=dataset.kind, selection=selection, name=dataset.name, by=by)
    except InvalidInput:  # nothing is left of it
        return None
