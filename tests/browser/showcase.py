"""A small project in mid-flight, made through the rules, for pictures of every page."""

import random
from dataclasses import dataclass

from labeling.models import Assignment, Cohort, Labeler, Policy, Prompt, Receipt, Role, TaskKind, User
from labeling.rules import assignments, batches, comparisons, demonstrations, labelers, policies, prompts
from labeling.rules.comparisons import Judgement, responses_in_display_order
from tests.browser.evaluation_scene import add_evaluation_scene
from tests.browser.judging_scene import lesson_learned, reading_in_hand, toxicity_in_hand
from tests.browser.people_scene import PeopleScene, add_people_scene
from tests.browser.playground_scene import add_talks
from tests.browser.quality_scene import add_quality_scene
from tests.browser.review_scene import add_review_scene
from tests.browser.training_scene import make_training
from tests.browser.work_scene import WorkScene, add_work_scene
from tests.factories import UserFactory, at_work, claimed, qualified_labeler
from tests.training.registry import Registry
from training.models import Conversation

QUESTIONS = (
    (
        "Explain to a six-year-old **why the sky is blue**.\n\n- one paragraph\n- at most *60 words*",
        "open_qa",
    ),
    ("Write a polite e-mail to my landlord: the heating has been out since Monday.", "generation"),
    ("Give me five names for a bakery that opens at four in the morning.", "brainstorming"),
    ("Is this review good or bad? “The soup was cold, the waiter was not.”", "classification"),
    (
        "Summarise for a busy reader:\n\n" + "The committee discussed the budget at length. " * 24,
        "summarization",
    ),
    ("Turn into plain English: “Pursuant to the aforementioned, remittance is due.”", "rewrite"),
    ("What is the difference between weather and climate?", "open_qa"),
    ("Wer hat das Fahrrad erfunden, und wann? Bitte in zwei Sätzen.", "closed_qa"),
    ("Extract every date from: “We met on 3 May, again on 12 June.”", "extract"),
    ("اشرح لطفل في السادسة لماذا السماء زرقاء.", "open_qa"),
)
ANSWERS = (
    "Sunlight looks white but holds every colour. In the air the blue part bounces around the most, so it "
    "reaches our eyes from all sides.\n\n- Blue bounces a lot\n- Red hardly at all",
    "It is because of Rayleigh scattering.",
    "The sky is blue because blue light bounces around more than red.",
    "Well, that is a good question, and there are many things to be said about it. " * 30,
    "",
)
POLICIES = ("base-350m", "sft-1", "ppo-1", "ppo-ptx-1")
BROKEN_ROWS = (
    {"prompt": "", "user_id": "u-3"},
    {"prompt": "What is the difference between weather and climate?", "user_id": "u-9"},
    {"prompt": "word " * 3000, "user_id": "u-4"},
)


@dataclass(frozen=True)
class Showcase:
    """Who can log in, and the work that Alice has in hand."""

    owner: User
    alice: Labeler
    writing: Assignment
    ranking: Assignment
    invitation_token: str
    work: WorkScene
    toxicity: Assignment
    reading: Assignment
    people: PeopleScene
    lesson: Receipt
    training: Registry
    talks: dict[str, Conversation]


def make_showcase() -> Showcase:
    """Make people, prompts, batches, labels, a skip, a pause and an open invitation."""
    chance = random.Random(7)
    owner = UserFactory.create(
        email="olga@example.org", name="Olga", role=Role.OWNER, time_zone="Europe/Berlin"
    )
    alice = _labeler("Alice", "L-4KM2QX")
    others = [_labeler("Bob", "L-9TRB7C"), _labeler("Chen", "L-WZ3HYD")]
    paused = _labeler("Dewi", "L-77PNEA")
    labelers.pause_labeler(labeler=paused, by=owner, reason="On leave until Monday")
    qualified_labeler(pseudonym="simulated-01", is_simulated=True, user=UserFactory.create(name=""))
    rows = [
        {"prompt": text, "user_id": f"user {number}", "category": category, "kind": "plain"}
        for number, (text, category) in enumerate(QUESTIONS)
    ]
    prompts.import_prompts(rows=[*rows, *BROKEN_ROWS], source="playground", file_name="november.jsonl")
    Prompt.objects.update(split="train")
    candidates = [policies.policy_named(name, Policy.Kind.IMPORTED) for name in POLICIES]
    _writing(alice, others)
    _ranking(owner, candidates, [alice, *others], chance)
    _, token = labelers.invite(
        by=owner, email="eve@example.org", role="labeler", cohort="train", kinds=["comparison"], vendor="Acme"
    )
    work = add_work_scene(owner, alice, others[0])
    writing, ranking = _draft_of_writing(alice), _draft_of_ranking(alice)
    toxicity, reading = toxicity_in_hand(alice), reading_in_hand(alice)
    add_quality_scene()
    add_review_scene(owner)
    lesson = lesson_learned(owner, others[1], others[0])
    people = add_people_scene(owner)
    add_evaluation_scene(owner)
    training, talks = make_training(owner), add_talks(owner)
    return Showcase(
        owner, alice, writing, ranking, token, work, toxicity, reading, people, lesson, training, talks
    )


def _labeler(name: str, pseudonym: str) -> Labeler:
    user = UserFactory.create(email=f"{name.lower()}@example.org", name=name, time_zone="Europe/Berlin")
    return qualified_labeler(user=user, pseudonym=pseudonym, cohort=Cohort.TRAIN)


def _writing(alice: Labeler, others: list[Labeler]) -> None:
    batch = batches.create_batch(name="Seed demonstrations", kind=TaskKind.DEMONSTRATION)
    batches.add_writing_tasks(batch=batch, prompts=Prompt.objects.all())
    batches.open_batch(batch=batch)
    for labeler in (alice, *others, alice):
        mine = claimed(labeler, TaskKind.DEMONSTRATION)
        at_work(mine, 110)
        demonstrations.submit_demonstration(
            assignment=mine, text="Because blue light bounces around most.", idempotency_key=str(mine.code)
        )
    mine = claimed(others[0], TaskKind.DEMONSTRATION)
    assignments.skip(assignment=mine, reason="expertise", note="I do not read Arabic.")


def _ranking(owner: User, candidates: list[Policy], people: list[Labeler], chance: random.Random) -> None:
    batch = batches.create_batch(
        name="Round 1, K = 5", kind=TaskKind.COMPARISON, k=5, by=owner, overlap=2, lease_seconds=2700
    )
    writers = [*candidates, policies.people_policy()]
    for prompt in Prompt.objects.all():
        answers = chance.sample(ANSWERS, len(ANSWERS))
        responses = [
            policies.add_response(prompt=prompt, policy=policy, text=text)
            for policy, text in zip(writers, answers, strict=True)
        ]
        batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    batches.create_batch(name="Round 2, K = 4", kind=TaskKind.COMPARISON, by=owner)
    for labeler in people[1:] * 5:
        _rank_next(labeler, chance)


def _rank_next(labeler: Labeler, chance: random.Random) -> None:
    """Rank by length with some noise, so that labelers mostly agree."""
    mine = claimed(labeler, TaskKind.COMPARISON)
    at_work(mine, 115)
    worth = {r: min(len(r.text), 300) + chance.gauss(0, 60) for r in responses_in_display_order(mine)}
    order = sorted(worth, key=lambda response: -worth[response])
    judgements = [Judgement(r.code, max(1, place), 7 - place) for place, r in enumerate(order)]
    comparisons.submit_ranking(assignment=mine, judgements=judgements, idempotency_key=str(mine.code))


def _draft_of_writing(alice: Labeler) -> Assignment:
    batch = batches.create_batch(name="One more letter", kind=TaskKind.DEMONSTRATION, priority=5)
    batches.add_writing_tasks(batch=batch, prompts=Prompt.objects.filter(text__contains="landlord"))
    batches.open_batch(batch=batch)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    text = "Dear Mr Alvarez,\n\nthe heating in my flat has been out **since Monday**. Could you send somebody"
    assignments.save_draft(assignment=mine, version=0, payload={"text": text})
    return mine


def _draft_of_ranking(alice: Labeler) -> Assignment:
    sky = Prompt.objects.get(text__contains="**why the sky is blue**")
    batch = batches.create_batch(
        name="The sky once more", kind=TaskKind.COMPARISON, k=5, priority=5, lease_seconds=2700
    )
    batches.add_ranked_task(
        batch=batch, prompt=sky, responses=list(sky.responses.filter(text__in=ANSWERS).order_by("pk")[:5])
    )
    batches.open_batch(batch=batch)
    mine = claimed(alice, TaskKind.COMPARISON)
    merit = {text: place for place, text in enumerate(ANSWERS)}
    judged = sorted(responses_in_display_order(mine), key=lambda response: merit[response.text])
    ratings, ranks = (6, 4, 4, 2, 1), (1, 2, 2, 4, 5)
    flags = {"fails_task": False, "inappropriate": False, "harmful_advice": False, "expresses_opinion": True}
    responses = [
        {"code": str(r.code), "rank": rank, "likert": likert, "flags": flags if rank == 1 else {}, "note": ""}
        for r, likert, rank in zip(judged, ratings, ranks, strict=True)
    ]
    payload = {"responses": responses, "notes": "", "was_touched": True, "moves": 4, "step": 1}
    assignments.save_draft(assignment=mine, version=0, payload=payload)
    return mine
