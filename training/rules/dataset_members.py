"""Which prompts and whose labels stand in a dataset, as rows: asked from a prompt or a labeler.

Gathered while a dataset is written, in memory that does not grow with it; a dataset from before this was
kept is read once more.
"""

import itertools
import json
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import IO, Any

from django.db import transaction
from django.utils import timezone

from labeling.models import Labeler, Prompt
from training.models import Dataset, DatasetKind, DatasetLabeler, DatasetPrompt
from training.rules import artifacts

AT_ONCE = 2000
CODE_BYTES = 16


class Members:
    """Takes one record after the other; prompts' codes go to the file given, 16 bytes each."""

    def __init__(self, codes: IO[bytes]) -> None:
        self.labelers: Counter[str] = Counter()
        self._codes = codes
        self._last = b""

    def add(self, record: Mapping[str, Any]) -> None:
        """Take one more record into account."""
        if record.get("labeler_id"):
            self.labelers[str(record["labeler_id"])] += 1
        code = _code(record.get("prompt_id") or record.get("id"))
        if code and code != self._last:
            self._codes.write(code)
            self._last = code

    def prompts(self) -> Iterator[list[uuid.UUID]]:
        """Give the codes of the prompts, some at a time; one may come again in a later part."""
        self._codes.seek(0)
        while data := self._codes.read(AT_ONCE * CODE_BYTES):
            whole = {data[at : at + CODE_BYTES] for at in range(0, len(data), CODE_BYTES)}
            yield [uuid.UUID(bytes=code) for code in sorted(whole)]


def record_members(dataset: Dataset, members: Members) -> None:
    """Store who and what stands in a dataset. Doing it twice changes nothing."""
    for codes in members.prompts():
        keys = Prompt.objects.filter(code__in=codes).order_by("pk").values_list("pk", flat=True)
        rows = [DatasetPrompt(dataset=dataset, prompt_id=key) for key in keys]
        DatasetPrompt.objects.bulk_create(rows, ignore_conflicts=True)
    for names in _batched(sorted(members.labelers)):
        known = Labeler.objects.filter(pseudonym__in=names).values_list("pk", "pseudonym")
        DatasetLabeler.objects.bulk_create(
            [
                DatasetLabeler(dataset=dataset, labeler_id=key, records=members.labelers[name])
                for key, name in known
            ],
            ignore_conflicts=True,
        )
    dataset.traced_at = timezone.now()
    dataset.save(update_fields=["traced_at"])


def trace_datasets() -> int:
    """Read datasets from before this was kept, and store who and what stands in them. Returns how many.

    One whose files are gone stays unread: pages say so.
    """
    done = 0
    for dataset in Dataset.objects.filter(traced_at=None).exclude(kind=DatasetKind.PRETRAIN).order_by("pk"):
        if not artifacts.exists(dataset.folder):
            continue
        with tempfile.TemporaryFile() as codes:
            members = Members(codes)
            for part in dataset.manifest.get("parts", []):
                with artifacts.reading(dataset.folder, part["path"]) as file:
                    for line in file:
                        members.add(json.loads(line))
            with transaction.atomic():
                record_members(dataset, members)
        done += 1
    return done


def count_untraced() -> int:
    """Return how many datasets of labels nobody has looked through yet."""
    return Dataset.objects.filter(traced_at=None).exclude(kind=DatasetKind.PRETRAIN).count()


def _code(text: Any) -> bytes:
    try:
        return uuid.UUID(str(text)).bytes
    except ValueError:  # a text for pretraining, which comes from no prompt
        return b""


def _batched(names: list[str]) -> Iterator[list[str]]:
    remaining = iter(names)
    while some := list(itertools.islice(remaining, AT_ONCE)):
        yield some
