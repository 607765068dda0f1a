"""Simulated labelers at work: they claim, look, and submit by the same rules as people."""

from collections.abc import Callable, Mapping, Sequence

from labeling.models import Assignment, Labeler, TaskKind
from labeling.rules import assignments, readings
from labeling.rules.comparisons import Judgement, responses_in_display_order, submit_ranking
from labeling.rules.demonstrations import submit_demonstration
from labeling.rules.forms import asked_flags
from training.demo.labelers import SimulatedLabeler


def work_through(
    *,
    people: Sequence[SimulatedLabeler],
    profiles: Mapping[str, Labeler],
    kind: str,
    seed: int,
    on_done: Callable[[int], None] = lambda done: None,
) -> int:
    """Let simulated labelers take turns until nobody finds an open task of a kind; return how many were done.

    `on_done` hears the count after each task.
    """
    done = 0
    waiting = [person for person in people if profiles[person.name].is_qualified(kind)]
    while waiting:
        for person in list(waiting):
            assignment = assignments.claim_next(labeler=profiles[person.name], kind=kind)
            if assignment is None:
                waiting.remove(person)
                continue
            answer(assignment, person, seed=seed)
            done += 1
            on_done(done)
    return done


def answer(assignment: Assignment, person: SimulatedLabeler, *, seed: int) -> None:
    """Write the demonstration or the ranking of a claimed task, and submit it."""
    key = f"simulated-{assignment.code}"
    prompt = assignment.task.given_prompt
    if assignment.kind == TaskKind.DEMONSTRATION:
        text = person.write(prompt.text, seed=seed)
        submit_demonstration(assignment=assignment, text=text, idempotency_key=key)
        return
    responses = responses_in_display_order(assignment)
    if readings.are_awaited(assignment):
        said = [readings.Said(response.code, cannot_tell=True) for response in responses]
        readings.store_readings(assignment=assignment, said=said)
    opinion = person.consider(prompt.text, [response.text for response in responses], seed=seed)
    asked = [flag["key"] for flag in asked_flags(form=assignment.batch.form, prompt=prompt)]
    judgements = [
        Judgement(
            code=response.code,
            rank=opinion.ranks[place],
            likert=opinion.ratings[place],
            flags={key: key in opinion.flags[place] for key in asked},
        )
        for place, response in enumerate(responses)
    ]
    submit_ranking(assignment=assignment, judgements=judgements, idempotency_key=key)
