"""Live sources of prompts, the playground and the API: one prompt at a time, with consent.

Ouyang et al. 2022, App. A.2: people were told, whenever they turned to such a model, that their prompts may
be used for training. Here each prompt from a live source keeps the version of the notice that was agreed to.
"""

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Intake, Prompt, PromptNotice, PromptSource, User
from labeling.rules import audit, prompts
from labeling.rules import intake as intakes
from labeling.rules.access import Action, ensure
from labeling.rules.intake import Line, Tally
from labeling.rules.prompts import DEFAULTS, IntakeSettings
from labeling.rules.texts import check_text

LIVE = (PromptSource.PLAYGROUND, PromptSource.API)


@transaction.atomic
def publish_notice(*, by: User, body: str) -> PromptNotice:
    """Publish the next version of the notice; from now on only consent to it counts."""
    ensure(by, Action.PUBLISH_TERMS)
    body = check_text(body, field="body").strip()
    if not body:
        raise InvalidInput("The notice is empty.", fields={"body": "is empty"})
    current = current_notice()
    if current is not None and current.body == body:
        raise Conflict(f"This is version {current.version} word for word; nothing was published.")
    version = (PromptNotice.objects.aggregate(last=Max("version"))["last"] or 0) + 1
    notice = PromptNotice.objects.create(version=version, body=body, published_by=by)
    audit.record(actor=by, action="publish_prompt_notice", obj=notice, version=version)
    return notice


def current_notice() -> PromptNotice | None:
    """Return the newest notice, None before the first."""
    return PromptNotice.objects.order_by("-version").first()


def take_prompt(
    *, text: str, author: str, source: str, consent: int, settings: IntakeSettings = DEFAULTS
) -> Prompt:
    """Take one prompt of a live source in, by the rules of an import, and keep what was consented to.

    `author` is the id of the person or organisation at the source, kept as a pseudonym; `consent` the version
    of the notice they agreed to. Each day of a source is one intake, where this prompt is counted, taken or
    not. Over the author's cap it is kept and held. Raises Conflict where the notice is not the current one or
    there is none, InvalidInput with the intake's reason as its code where the prompt is refused; the count of
    a refusal stays, so do not call this inside a transaction.
    """
    if source not in LIVE:
        raise InvalidInput(
            f'source "{source}" is not one of {", ".join(LIVE)}.', fields={"source": "unknown"}
        )
    notice = current_notice()
    if notice is None:
        raise Conflict("No notice is published yet, so nobody can consent to it.", code="no_notice")
    if notice.version != consent:
        raise Conflict(
            f"Consent is to version {consent} of the notice; version {notice.version} is the current one.",
            code="notice_changed",
        )
    check_text(text, field="prompt")
    with transaction.atomic():
        intakes.let_one_import_write()
        intake = _intake_of_today(source)
        line, tally = Line(intake.read + 1, {"prompt": text, "user_id": author}), Tally()
        made = prompts.take_lines([line], tally, intake, settings)
        intakes.note_lines(intake, tally, read=1)
        Prompt.objects.filter(pk__in=[prompt.pk for prompt in made]).update(notice=notice)
    for _, reason, detail in tally.refusals:
        raise InvalidInput(f"Refused: {detail or reason}.", code=reason, fields={"prompt": reason})
    made[0].notice = notice
    return made[0]


def _intake_of_today(source: str) -> Intake:
    """Return the locked intake in which today's prompts of a source are counted."""
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = Intake.objects.select_for_update().filter(
        source=source, what="prompts", file_name="", created_at__gte=midnight
    )
    return today.order_by("pk").first() or Intake.objects.create(source=source)
