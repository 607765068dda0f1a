"""Prompts: taken in by the paper's rules, split by author, held back over an author's cap.

Ouyang et al. 2022, sec. 3.2 and App. A.2: duplicates by long common prefix dropped, about 200 prompts per
user, train, valid and test split by user, personal data out of train, at most 1k tokens.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count

from labeling.models import Category, Intake, Prompt, PromptKind, PromptSource, Split
from labeling.rules import intake as intakes
from labeling.rules.author_caps import OVER_CAP, applies_to, current_cap
from labeling.rules.intake import Line, RowFault, Tally
from labeling.rules.language import language_of
from labeling.rules.pii import find_pii
from labeling.rules.rows import choice_in, identifier_in, tags_in, text_in, time_in
from labeling.rules.texts import approximate_tokens, comparable, exact_hash, normalize, word_count

KINDS, CATEGORIES = tuple(PromptKind.values), tuple(Category.values)
SPLIT_FRACTIONS: dict[Split, float] = {Split.TRAIN: 0.8, Split.VALID: 0.1, Split.TEST: 0.1}


@dataclass(frozen=True)
class IntakeSettings:
    """What intake lets in. Thresholds the paper does not publish are ours.

    max_tokens         longest prompt, in approximate tokens (labeling.rules.texts)
    author_cap         prompts of one customer in use, None for the cap in force (labeling.rules.author_caps);
                       further ones are kept and held; prompts that labelers wrote are not counted
    prefix_characters  two prompts of at least this length that share as many characters at their start
                       count as one: the later is refused
    languages          codes let in, None for all; prompts too short to tell are always let in
    phone_region       country whose telephone numbers are known without a country code
    """

    max_tokens: int = 1000
    author_cap: int | None = None
    prefix_characters: int = 200
    languages: frozenset[str] | None = None
    phone_region: str = "US"


DEFAULTS = IntakeSettings()


@dataclass(frozen=True)
class PromptDraft:
    """A prompt as a row states it, checked and normalised, not yet compared with others."""

    text: str
    author_key: str
    text_hash: str
    prefix_key: str
    language: str
    pii_spans: list[list[Any]]
    kind: str = PromptKind.PLAIN
    category: str = ""
    external_id: str = ""
    parent_id: str = ""
    tags: dict[str, bool] = field(default_factory=dict)
    written_at: datetime | None = None


def author_key_of(user_id: str) -> str:
    """Return the pseudonym under which a user's prompts are kept: the same for the same user, always."""
    return "u_" + hashlib.sha256(user_id.encode()).hexdigest()[:16]


def split_of(author_key: str) -> Split:
    """Return the split of everything by an author: 80 % of authors train, 10 % valid, 10 % test.

    A hash decides, so that it never depends on order, time or place.
    """
    point = int.from_bytes(hashlib.sha256(f"split:{author_key}".encode()).digest()[:8]) / 2**64
    if point < SPLIT_FRACTIONS[Split.TRAIN]:
        return Split.TRAIN
    return Split.VALID if point < 1 - SPLIT_FRACTIONS[Split.TEST] else Split.TEST


def import_prompts(
    *,
    rows: intakes.Rows,
    source: str = PromptSource.PLAYGROUND,
    file_name: str = "",
    strict: bool = False,
    settings: IntakeSettings = DEFAULTS,
    progress: Callable[[int], None] | None = None,
) -> Intake:
    """Take prompts in; every line is accepted, held (`over_cap`) or refused, and counted.

    Refusals: empty, too_long, duplicate, long_common_prefix, language, malformed.
    """

    def take(intake: Intake) -> intakes.TakeChunk:
        def take_chunk(lines: list[Line], tally: Tally) -> None:
            take_lines(lines, tally, intake, settings)

        return take_chunk

    return intakes.run_intake(
        rows=rows,
        take=take,
        source=source,
        what="prompts",
        file_name=file_name,
        strict=strict,
        progress=progress,
    )


def draft_of(text: str, *, author_key: str, settings: IntakeSettings, **fields: Any) -> PromptDraft:
    """Check and normalise one prompt. Raises RowFault: empty, too_long, language."""
    text = normalize(text)
    if not text:
        raise RowFault("empty", "the prompt has no text")
    tokens = approximate_tokens(text)
    if tokens > settings.max_tokens:
        raise RowFault("too_long", f"about {tokens} tokens, at most {settings.max_tokens} are allowed")
    language = language_of(text)
    if settings.languages is not None and language and language not in settings.languages:
        raise RowFault(
            "language", f"looks like {language}, allowed are {', '.join(sorted(settings.languages))}"
        )
    compared = comparable(text)
    return PromptDraft(
        text=text,
        author_key=author_key,
        text_hash=exact_hash(compared),
        prefix_key=prefix_key_of(compared, settings.prefix_characters),
        language=language,
        pii_spans=[list(span) for span in find_pii(text, phone_region=settings.phone_region)],
        **fields,
    )


def prefix_key_of(compared: str, characters: int) -> str:
    """Return a hash of the first characters of a comparable text, in any case; empty for a shorter one."""
    start = compared[:characters]
    return exact_hash(start.lower()) if len(start) == characters else ""


def find_or_make_prompts(*, drafts: Sequence[PromptDraft], intake: Intake) -> list[Prompt]:
    """Return the prompt of each draft, made where it is new: for labels that bring their prompts along.

    Cap and common prefix do not apply: they thin out what is sampled for labeling, and these are labeled.
    """
    wanted = {draft.text_hash: draft for draft in drafts}
    known = {prompt.text_hash: prompt for prompt in Prompt.objects.filter(text_hash__in=wanted)}
    new = [unsaved_prompt(draft, intake) for key, draft in wanted.items() if key not in known]
    known |= {prompt.text_hash: prompt for prompt in Prompt.objects.bulk_create(new)}
    return [known[draft.text_hash] for draft in drafts]


def label_prompt_draft(
    row: Mapping[str, Any], text: str, *, settings: IntakeSettings, thread: str = ""
) -> PromptDraft:
    """Draft the prompt of a label's row.

    Without a `user_id`, prompts that start alike count as one author's: the turns of a dialogue (`thread`
    is its first) and prompts with a long common prefix never end up in different splits.
    """
    user_id = identifier_in(row, "user_id")
    key = (
        author_key_of(user_id)
        if user_id
        else author_key_of("thread:" + comparable(thread or text)[:200].lower())
    )
    return draft_of(
        text,
        author_key=key,
        settings=settings,
        category=choice_in(row, "category", CATEGORIES),
        tags=tags_in(row),
    )


def take_lines(lines: list[Line], tally: Tally, intake: Intake, settings: IntakeSettings) -> list[Prompt]:
    """Take some lines in, each counted in the tally; returns the prompts made. Needs the import lock."""
    drafts: list[tuple[Line, PromptDraft]] = []
    for line in lines:
        try:
            drafts.append((line, _read(intakes.values_of(line), intake, settings)))
        except RowFault as fault:
            tally.refuse(line, fault)
    parents = _parents([draft for _, draft in drafts], intake)
    hashes = _known_hashes(draft.text_hash for _, draft in drafts)
    prefixes = _known_prefixes(draft.prefix_key for _, draft in drafts)
    used = _used_by_author(
        [draft.author_key for _, draft in drafts] + [p.author_key for p in parents.values()]
    )
    cap = _cap_of(intake, settings)
    made: list[Prompt] = []
    for line, draft in drafts:
        try:
            prompt = unsaved_prompt(draft, intake)
            _join_siblings(prompt, draft, parents)
            _refuse_duplicate(prompt, hashes, prefixes)
        except RowFault as fault:
            tally.refuse(line, fault)
            continue
        hashes[prompt.text_hash] = f"line {line.number}"
        if prompt.prefix_key:
            prefixes.setdefault(prompt.prefix_key, f"line {line.number}")
        if prompt.external_id:
            parents[prompt.external_id] = prompt
        if cap is not None and used[prompt.author_key] >= cap:
            prompt.held_reason = OVER_CAP
        else:
            used[prompt.author_key] += 1
        tally.take(prompt.held_reason or intakes.ACCEPTED)
        made.append(prompt)
    Prompt.objects.bulk_create(prompt for prompt in made if prompt.parent is None)
    Prompt.objects.bulk_create(prompt for prompt in made if prompt.parent is not None)
    return made


def _read(row: Mapping[str, Any], intake: Intake, settings: IntakeSettings) -> PromptDraft:
    text = text_in(row, "prompt")
    user_id = identifier_in(row, "user_id")
    if not user_id:
        raise RowFault(intakes.MALFORMED, '"user_id" is missing: the author decides the split')
    default_kind = PromptKind.API if intake.source == PromptSource.API else PromptKind.PLAIN
    return draft_of(
        text,
        author_key=author_key_of(user_id),
        settings=settings,
        kind=choice_in(row, "kind", KINDS) or default_kind,
        category=choice_in(row, "category", CATEGORIES),
        external_id=identifier_in(row, "id"),
        parent_id=identifier_in(row, "parent"),
        tags=tags_in(row),
        written_at=time_in(row, "created_at"),
    )


def unsaved_prompt(draft: PromptDraft, intake: Intake) -> Prompt:
    """Return the row of a draft, not yet stored; its author decides the split."""
    return Prompt(
        text=draft.text,
        source=intake.source,
        kind=draft.kind,
        author_key=draft.author_key,
        external_id=draft.external_id,
        split=split_of(draft.author_key),
        language=draft.language,
        category=draft.category,
        tags=draft.tags,
        text_hash=draft.text_hash,
        prefix_key=draft.prefix_key,
        words=word_count(draft.text),
        has_pii=bool(draft.pii_spans),
        pii_spans=draft.pii_spans,
        intake=intake,
        written_at=draft.written_at,
    )


def _join_siblings(prompt: Prompt, draft: PromptDraft, parents: Mapping[str, Prompt]) -> None:
    """Few-shot siblings stand with their parent's author, and so in one split."""
    if not draft.parent_id:
        return
    parent = parents.get(draft.parent_id)
    if parent is None:
        raise RowFault(
            intakes.MALFORMED, f'"parent" names "{draft.parent_id}", which no earlier prompt has as its id'
        )
    root = parent.parent or parent
    prompt.parent, prompt.author_key, prompt.split = root, root.author_key, root.split


def _refuse_duplicate(prompt: Prompt, hashes: Mapping[str, str], prefixes: Mapping[str, str]) -> None:
    if prompt.text_hash in hashes:
        raise RowFault(intakes.DUPLICATE, f"the same text as {hashes[prompt.text_hash]}")
    if prompt.parent is None and prompt.prefix_key in prefixes:
        raise RowFault("long_common_prefix", f"starts like {prefixes[prompt.prefix_key]}")


def _parents(drafts: Sequence[PromptDraft], intake: Intake) -> dict[str, Prompt]:
    wanted = {draft.parent_id for draft in drafts if draft.parent_id}
    found = Prompt.objects.filter(source=intake.source, external_id__in=wanted).select_related("parent")
    return {prompt.external_id: prompt for prompt in found} if wanted else {}


def _known_hashes(hashes: Iterable[str]) -> dict[str, str]:
    known = Prompt.objects.filter(text_hash__in=set(hashes)).values_list("text_hash", "code")
    return {key: f"prompt {code}" for key, code in known}


def _known_prefixes(keys: Iterable[str]) -> dict[str, str]:
    known = Prompt.objects.filter(prefix_key__in=set(keys) - {""}).values_list("prefix_key", "code")
    return {key: f"prompt {code}" for key, code in known}


def _cap_of(intake: Intake, settings: IntakeSettings) -> int | None:
    """Return the cap that holds for the lines of an intake, None where there is none."""
    if not applies_to(intake.source):
        return None
    return current_cap() if settings.author_cap is None else settings.author_cap


def _used_by_author(author_keys: Iterable[str]) -> Counter[str]:
    usable = Prompt.objects.usable().filter(author_key__in=set(author_keys))
    usable = usable.exclude(source=PromptSource.LABELER)
    return Counter(dict(usable.order_by().values_list("author_key").annotate(n=Count("pk"))))
