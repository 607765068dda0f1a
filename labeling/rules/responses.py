"""Responses, from files: what other models answered to our prompts or to their own."""

from collections.abc import Callable

from labeling.models import Intake, PromptSource, Response, TaskKind
from labeling.rules import intake as intakes
from labeling.rules import label_imports
from labeling.rules.intake import MALFORMED, Line, RowFault, Tally
from labeling.rules.label_imports import Importer
from labeling.rules.prompts import (
    DEFAULTS,
    IntakeSettings,
    PromptDraft,
    find_or_make_prompts,
    label_prompt_draft,
)
from labeling.rules.rows import identifier_in, mapping_in, text_in, whole_number
from labeling.rules.texts import exact_hash

MAX_INDEX = 30_000


def import_responses(
    *,
    rows: intakes.Rows,
    source: str = PromptSource.PLAYGROUND,
    file_name: str = "",
    strict: bool = False,
    settings: IntakeSettings = DEFAULTS,
    progress: Callable[[int], None] | None = None,
) -> Intake:
    """Take responses in; makes the policies and prompts that are new. An empty response is one.

    Refusals: malformed, duplicate (this policy's response is known), and those of the prompt: empty,
    too_long, language.
    """

    def take(intake: Intake) -> intakes.TakeChunk:
        importer = Importer(intake, TaskKind.COMPARISON)
        return lambda lines, tally: _take_responses(lines, tally, importer, settings)

    return intakes.run_intake(
        rows=rows,
        take=take,
        source=source,
        what="responses",
        file_name=file_name,
        strict=strict,
        progress=progress,
    )


def _take_responses(lines: list[Line], tally: Tally, importer: Importer, settings: IntakeSettings) -> None:
    rows: list[tuple[Line, PromptDraft, Response]] = []
    for line in lines:
        try:
            row = intakes.values_of(line)
            name = identifier_in(row, "policy")
            if not name:
                raise RowFault(MALFORMED, '"policy" is missing')
            has_ended = row.get("has_ended", True)
            if not isinstance(has_ended, bool):
                raise RowFault(MALFORMED, '"has_ended" must be true or false')
            text = text_in(row, "response")
            draft = label_prompt_draft(row, text_in(row, "prompt"), settings=settings)
            response = Response(
                policy=importer.policy(name),
                text=text,
                index=whole_number(row.get("index") or 0, "index", 0, MAX_INDEX),
                sampling=mapping_in(row, "sampling"),
                has_ended=has_ended,
                text_hash=exact_hash(text),
            )
            rows.append((line, draft, response))
        except RowFault as fault:
            tally.refuse(line, fault)
    prompts = find_or_make_prompts(drafts=[draft for _, draft, _ in rows], intake=importer.intake)
    known = set(label_imports.known_responses(prompts))
    new = []
    for (line, _, response), prompt in zip(rows, prompts, strict=True):
        response.prompt = prompt
        key = label_imports.response_key(response)
        if key in known:
            tally.refuse(line, RowFault(intakes.DUPLICATE, f"{response.policy} gave this response already"))
            continue
        known.add(key)
        new.append(response)
        tally.take()
    Response.objects.bulk_create(new)
