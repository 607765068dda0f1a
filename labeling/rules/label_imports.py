"""What imports of demonstrations, responses and rankings share: prompts, writers, tasks of a closed batch."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.utils import timezone

from labeling.errors import LabelingError
from labeling.models import (
    MAX_K,
    MIN_K,
    Batch,
    Candidate,
    Cohort,
    Intake,
    Labeler,
    Policy,
    Prompt,
    Response,
    Task,
)
from labeling.rules import labelers, policies
from labeling.rules.intake import MALFORMED, RowFault
from labeling.rules.texts import exact_hash


class ResponseKey(NamedTuple):
    """What makes a response the same one."""

    prompt_id: int
    policy_id: int
    sample: int
    text_hash: str


class Importer:
    """One import under way: remembers policies, labelers and the batch that its labels stand in."""

    def __init__(self, intake: Intake, kind: str, cohort: str = Cohort.TRAIN) -> None:
        self.intake = intake
        self.kind = kind
        self.cohort = cohort
        self._policies: dict[str, Policy] = {}
        self._labelers: dict[str, Labeler] = {}
        self._batch: Batch | None = None

    def policy(self, name: str) -> Policy:
        """Return the policy of that name. RowFault if the name is taken by a writer of another kind."""
        if name not in self._policies:
            try:
                self._policies[name] = policies.policy_named(name, Policy.Kind.IMPORTED)
            except LabelingError as error:
                raise RowFault(MALFORMED, error.message) from error
        return self._policies[name]

    def labeler(self, name: str) -> Labeler:
        """Return the external labeler of that name. RowFault for one of another cohort."""
        if name not in self._labelers:
            try:
                self._labelers[name] = labelers.external_labeler(name, self.cohort)
            except LabelingError as error:
                if name != policies.UNKNOWN:
                    raise RowFault(MALFORMED, error.message) from error
                nobody = f"{policies.UNKNOWN} ({self.cohort})"
                self._labelers[name] = labelers.external_labeler(nobody, self.cohort)
        return self._labelers[name]

    def batch(self) -> Batch:
        """Return the closed batch of this import, made with its first label."""
        if self._batch is None:
            now = timezone.now()
            self._batch = Batch.objects.create(
                name=f"Import {self.intake.file_name or self.intake.code}"[:120],
                kind=self.kind,
                status=Batch.Status.CLOSED,
                is_import=True,
                cohorts=[self.cohort],
                settings={"intake": str(self.intake.code)},
                opened_at=now,
                closed_at=now,
            )
        return self._batch

    def note_k(self, k: int) -> None:
        """Keep the largest K seen as the batch's."""
        batch = self.batch()
        if MIN_K <= k <= MAX_K and (k > batch.k or not batch.settings.get("k_seen")):
            batch.k = k
            batch.settings["k_seen"] = True
            batch.save(update_fields=["k", "settings"])


def known_responses(prompts: Iterable[Prompt]) -> dict[ResponseKey, Response]:
    """Return every response to these prompts by what makes it the same one."""
    found = Response.objects.filter(prompt_id__in={prompt.pk for prompt in prompts})
    return {response_key(response): response for response in found}


def response_key(response: Response) -> ResponseKey:
    """Return what makes this response the same as another."""
    return ResponseKey(response.prompt_id, response.policy_id, response.index, response.text_hash)


def unsaved_response(prompt: Prompt, policy: Policy, text: str, index: int = 0) -> Response:
    """Return a response ready for bulk_create."""
    return Response(prompt=prompt, policy=policy, text=text, text_hash=exact_hash(text), index=index)


def numbered_responses(
    prompt: Prompt, answers: Sequence[tuple[str, Policy]]
) -> list[tuple[ResponseKey, Response]]:
    """Return responses for a prompt; the same text twice by one policy is its first and second sample."""
    seen: dict[tuple[int, str], int] = defaultdict(int)
    numbered = []
    for text, policy in answers:
        place = (policy.pk, text)
        response = unsaved_response(prompt, policy, text, seen[place])
        seen[place] += 1
        numbered.append((response_key(response), response))
    return numbered


def import_tasks_by_responses(prompts: Iterable[Prompt], kind: str) -> dict[frozenset[int], Task]:
    """Return earlier imports' tasks for these prompts by the responses they compare."""
    tasks = Task.objects.filter(
        prompt_id__in={prompt.pk for prompt in prompts}, batch__is_import=True, batch__kind=kind
    )
    responses: dict[int, set[int]] = defaultdict(set)
    for task_id, response_id in Candidate.objects.filter(task__in=tasks).values_list(
        "task_id", "response_id"
    ):
        responses[task_id].add(response_id)
    return {frozenset(responses[task.pk]): task for task in tasks}
