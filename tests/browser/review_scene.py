"""Reviews in mid-flight for the showcase: graded work, gold, a settled task, answers, anchors."""

from labeling.models import Assignment, Batch, Demonstration, Ranking, Task, TaskKind, User
from labeling.rules import adjudications, anchors, batch_changes, batch_templates, flags, gold, reviews
from labeling.rules.judgements import Judgement
from labeling.rules.policies import policy_named


def add_review_scene(owner: User) -> None:
    """Let the owner review what the showcase's labelers handed in."""
    rows = list(Demonstration.objects.newest().filter(is_surplus=False).order_by("pk")[:3])
    if len(rows) == 3:
        reviews.review_demonstration(demonstration=rows[0], decision="accepted", grade=6, by=owner)
        reviews.fix_demonstration(
            demonstration=rows[1],
            text=f"{rows[1].text} Red light hardly does.",
            grade=5,
            comment="One sentence more, so that the child learns why not red.",
            by=owner,
        )
    _gold_and_order(owner)
    for skip in flags.skips_to_answer()[:1]:
        flags.answer_skip(skip=skip, by=owner, text="Thank you: the prompt was cut off and is taken out.")
    _anchors(owner)
    batch = Batch.objects.filter(status=Batch.Status.OPEN, kind=TaskKind.COMPARISON).first()
    if batch is not None:
        batch_templates.save_template(
            name="Weekly comparisons", kind=batch.kind, values=batch_templates.values_of(batch), by=owner
        )
        batch_changes.change_batch(batch=batch, priority=batch.priority + 1, by=owner)


def _gold_and_order(owner: User) -> None:
    task = Task.objects.filter(batch__kind=TaskKind.COMPARISON, batch__status=Batch.Status.OPEN).first()
    if task is not None:
        reason = "Only the first answers the question that was asked, in words for a child."
        gold.mark_gold(task=task, judgements=_in_order(task), reason=reason, by=owner)
    for row in adjudications.disagreements(most=1):
        adjudications.adjudicate(
            task=row.task,
            judgements=_in_order(row.task),
            reason="The long one never comes to a point.",
            by=owner,
        )
    ranking = Ranking.objects.filter(assignment__state=Assignment.State.SUBMITTED, notes="").first()
    if ranking is not None:
        Ranking.objects.filter(pk=ranking.pk).update(notes="Two of them say the same in other words.")


def _in_order(task: Task) -> list[Judgement]:
    candidates = task.candidates.select_related("response").order_by("position")
    return [Judgement(candidate.response.code, place + 1, 4) for place, candidate in enumerate(candidates)]


def _anchors(owner: User) -> None:
    watched, against = policy_named("sft-1"), policy_named("base-350m")
    if anchors.prompts_for(kind=TaskKind.COMPARISON, watched=watched, against=against).count() >= 3:
        anchors.make_anchor_set(
            name="SFT against base", watched=watched, against=against, count=3, by=owner,
            description="The first supervised policy against the model it started from.",
        )  # fmt: skip
