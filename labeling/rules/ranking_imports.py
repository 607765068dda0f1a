"""Rankings from files: K responses with ranks, or the chosen and rejected pairs of public preference sets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.models import (
    LIKERT_MAX,
    LIKERT_MIN,
    MAX_K,
    MIN_K,
    Candidate,
    Cohort,
    Form,
    Intake,
    Place,
    Prompt,
    PromptSource,
    Ranking,
    Response,
    Task,
    TaskKind,
)
from labeling.rules import form_texts, label_imports
from labeling.rules import intake as intakes
from labeling.rules.intake import MALFORMED, Line, RowFault, Tally
from labeling.rules.label_imports import Importer
from labeling.rules.policies import UNKNOWN
from labeling.rules.prompts import (
    DEFAULTS,
    IntakeSettings,
    PromptDraft,
    find_or_make_prompts,
    label_prompt_draft,
)
from labeling.rules.rows import identifier_in, storable, text_in, whole_number

HUMAN_TURN, ASSISTANT_TURN = "\n\nHuman:", "\n\nAssistant:"


@dataclass(frozen=True)
class RankingRow:
    """One row: answers as (text, policy name), and what one labeler said about them, in the same order."""

    prompt: PromptDraft
    answers: list[tuple[str, str]]
    ranks: list[int]
    labeler: str
    likert: list[int | None]
    flags: list[dict[str, bool]]
    notes: str = ""


def import_rankings(
    *,
    rows: intakes.Rows,
    source: str = PromptSource.PLAYGROUND,
    file_name: str = "",
    strict: bool = False,
    settings: IntakeSettings = DEFAULTS,
    cohort: str = Cohort.TRAIN,
    progress: Callable[[int], None] | None = None,
) -> Intake:
    """Take rankings in, with their prompts and responses, as labels of external labelers.

    Labelers who ranked the same responses to a prompt share a task, so that agreement can be measured.
    Refusals: malformed, duplicate (this labeler has ranked these responses), identical (chosen is rejected),
    unknown_flag (no version of a form asks it), and those of the prompt: empty, too_long, language.

    In which order a labeler saw the responses is not known: that of a file often puts the better one first.
    """

    def take(intake: Intake) -> intakes.TakeChunk:
        importer = Importer(intake, TaskKind.COMPARISON, cohort)
        known_flags = _known_flags()
        return lambda lines, tally: _take_rankings(lines, tally, importer, settings, known_flags)

    return intakes.run_intake(
        rows=rows,
        take=take,
        source=source,
        what="rankings",
        file_name=file_name,
        strict=strict,
        progress=progress,
    )


def split_dialogue(chosen: str, rejected: str) -> tuple[str, str, str]:
    """Split two dialogues that share a start into prompt and two responses.

    The prompt ends with the last assistant turn's opening that both share.
    """
    pairs = enumerate(zip(chosen, rejected, strict=False))
    differ_at = next((place for place, (a, b) in pairs if a != b), min(len(chosen), len(rejected)))
    cut = chosen[:differ_at].rfind(ASSISTANT_TURN)
    if cut < 0:
        raise RowFault(
            MALFORMED, '"chosen" and "rejected" share no start up to an assistant turn; give a "prompt"'
        )
    cut += len(ASSISTANT_TURN)
    return chosen[:cut], chosen[cut:].strip(), rejected[cut:].strip()


def _take_rankings(
    lines: list[Line],
    tally: Tally,
    importer: Importer,
    settings: IntakeSettings,
    known_flags: frozenset[str],
) -> None:
    rows: list[tuple[Line, RankingRow]] = []
    for line in lines:
        try:
            row = _read(intakes.values_of(line), settings, known_flags)
            for _, policy in row.answers:
                importer.policy(policy)
            importer.labeler(row.labeler)
            rows.append((line, row))
        except RowFault as fault:
            tally.refuse(line, fault)
    if not rows:
        return
    prompts = find_or_make_prompts(drafts=[row.prompt for _, row in rows], intake=importer.intake)
    responses = _responses([row for _, row in rows], prompts, importer)
    tasks = _tasks(prompts, responses, importer)
    labelers = [importer.labeler(row.labeler) for _, row in rows]
    done = set(
        Ranking.objects.filter(task__in={task.pk for task in tasks}).values_list("task_id", "labeler_id")
    )
    new: list[tuple[Ranking, RankingRow, list[Response]]] = []
    for (line, row), task, labeler, answers in zip(rows, tasks, labelers, responses, strict=True):
        if (task.pk, labeler.pk) in done:
            tally.refuse(line, RowFault(intakes.DUPLICATE, f"{labeler} has ranked these responses already"))
            continue
        done.add((task.pk, labeler.pk))
        ranking = Ranking(task=task, labeler=labeler, notes=row.notes)
        new.append((ranking, row, answers))
        tally.take()
    Ranking.objects.bulk_create(ranking for ranking, _, _ in new)
    Place.objects.bulk_create(
        Place(ranking=ranking, response=response, rank=rank, likert=likert, flags=flags)
        for ranking, row, answers in new
        for response, rank, likert, flags in zip(answers, row.ranks, row.likert, row.flags, strict=True)
    )


def _responses(
    rows: Sequence[RankingRow], prompts: Sequence[Prompt], importer: Importer
) -> list[list[Response]]:
    known = label_imports.known_responses(prompts)
    new: dict[label_imports.ResponseKey, Response] = {}
    keys = []
    for row, prompt in zip(rows, prompts, strict=True):
        answers = [(text, importer.policy(policy)) for text, policy in row.answers]
        numbered = label_imports.numbered_responses(prompt, answers)
        new |= {key: response for key, response in numbered if key not in known and key not in new}
        keys.append([key for key, _ in numbered])
    Response.objects.bulk_create(new.values())
    known |= new
    return [[known[key] for key in row_keys] for row_keys in keys]


def _tasks(
    prompts: Sequence[Prompt], responses: Sequence[Sequence[Response]], importer: Importer
) -> list[Task]:
    known = label_imports.import_tasks_by_responses(prompts, TaskKind.COMPARISON)
    new: dict[frozenset[int], tuple[Task, Sequence[Response]]] = {}
    keys = []
    for prompt, answers in zip(prompts, responses, strict=True):
        key = frozenset(response.pk for response in answers)
        keys.append(key)
        if key not in known and key not in new:
            new[key] = (Task(batch=importer.batch(), prompt=prompt), answers)
            importer.note_k(len(answers))
    Task.objects.bulk_create(task for task, _ in new.values())
    Candidate.objects.bulk_create(
        Candidate(task=task, response=response, position=position)
        for task, answers in new.values()
        for position, response in enumerate(answers)
    )
    known |= {key: task for key, (task, _) in new.items()}
    return [known[key] for key in keys]


def _read(row: Mapping[str, Any], settings: IntakeSettings, known_flags: frozenset[str]) -> RankingRow:
    if "chosen" in row or "rejected" in row:
        return _read_pair(row, settings)
    answers = [_answer(item) for item in _list_in(row, "responses")]
    k = len(answers)
    if not MIN_K <= k <= MAX_K:
        raise RowFault(MALFORMED, f'"responses" has {k} entries, {MIN_K} to {MAX_K} are allowed')
    ranks = [whole_number(rank, "ranks", 1, k) for rank in _list_of(row, "ranks", k)]
    likert = [
        None if value is None else whole_number(value, "likert", LIKERT_MIN, LIKERT_MAX)
        for value in (_list_of(row, "likert", k) if row.get("likert") is not None else [None] * k)
    ]
    flags = _list_of(row, "flags", k) if row.get("flags") is not None else [{}] * k
    return RankingRow(
        prompt=label_prompt_draft(row, text_in(row, "prompt"), settings=settings),
        answers=answers,
        ranks=ranks,
        labeler=identifier_in(row, "labeler") or UNKNOWN,
        likert=likert,
        flags=[_flags(item, known_flags) for item in flags],
        notes=storable(row.get("notes") or "", "notes"),
    )


def _read_pair(row: Mapping[str, Any], settings: IntakeSettings) -> RankingRow:
    chosen, rejected = _dialogue(row, "chosen"), _dialogue(row, "rejected")
    thread = ""
    if row.get("prompt") is not None:
        prompt = text_in(row, "prompt")
        chosen, rejected = (text.removeprefix(prompt) for text in (chosen, rejected))
    else:
        prompt, chosen, rejected = split_dialogue(chosen, rejected)
        thread = prompt.lstrip().split(ASSISTANT_TURN, 1)[0]
    if chosen == rejected:
        raise RowFault("identical", '"chosen" and "rejected" are the same text')
    policy = identifier_in(row, "policy") or UNKNOWN
    return RankingRow(
        prompt=label_prompt_draft(row, prompt, settings=settings, thread=thread),
        answers=[(chosen, policy), (rejected, policy)],
        ranks=[1, 2],
        labeler=identifier_in(row, "labeler") or UNKNOWN,
        likert=[None, None],
        flags=[{}, {}],
    )


def _dialogue(row: Mapping[str, Any], key: str) -> str:
    """Return a side of a pair as text; a list of messages becomes turns."""
    value = row.get(key)
    if not isinstance(value, list):
        return text_in(row, key)
    turns = []
    for message in value:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise RowFault(MALFORMED, f'"{key}" must be text or a list of messages with role and content')
        turn = ASSISTANT_TURN if message.get("role") == "assistant" else HUMAN_TURN
        turns.append(f"{turn} {message['content']}")
    return storable("".join(turns), key)


def _answer(item: object) -> tuple[str, str]:
    if isinstance(item, Mapping):
        return text_in(item, "text"), identifier_in(item, "policy") or UNKNOWN
    return storable(item, "responses"), UNKNOWN


def _known_flags() -> frozenset[str]:
    """Return the names of all flags that some version of a form for ranked kinds asks or asked."""
    ranked = [kind.value for kind in TaskKind if kind.is_ranked]
    schemas = [form_texts.FORMS[kind] for kind in ranked if kind in form_texts.FORMS]
    schemas += Form.objects.filter(kind__in=ranked).values_list("schema", flat=True)
    return frozenset(str(flag["key"]) for schema in schemas for flag in schema.get("flags", []))


def _flags(item: object, known: frozenset[str]) -> dict[str, bool]:
    if item is None:
        return {}
    if not isinstance(item, Mapping) or not all(isinstance(answer, bool) for answer in item.values()):
        raise RowFault(MALFORMED, '"flags" must hold, for each response, names with true or false')
    strange = sorted(str(name) for name in item.keys() - known)
    if strange:
        raise RowFault(
            "unknown_flag", f"no form asks {', '.join(strange[:5])}; known are {', '.join(sorted(known))}"
        )
    return {storable(name, "flags"): bool(answer) for name, answer in item.items()}


def _list_in(row: Mapping[str, Any], key: str) -> list[Any]:
    value = row.get(key)
    if not isinstance(value, list):
        found = "missing" if value is None else type(value).__name__
        raise RowFault(MALFORMED, f'"{key}" is {found}, must be a list')
    return value


def _list_of(row: Mapping[str, Any], key: str, k: int) -> list[Any]:
    values = _list_in(row, key)
    if len(values) != k:
        raise RowFault(MALFORMED, f'"{key}" has {len(values)} entries for {k} responses')
    return values
