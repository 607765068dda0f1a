"""Demonstrations, responses and rankings from outside go through the same rows."""

from typing import Any

import pytest

from labeling.errors import StrictImport
from labeling.models import (
    Batch,
    Cohort,
    Demonstration,
    Intake,
    Labeler,
    Place,
    Policy,
    Prompt,
    Ranking,
    Response,
    Task,
)
from labeling.rules.agreement import batch_agreement
from labeling.rules.comparisons import import_rankings
from labeling.rules.demonstrations import import_demonstrations
from labeling.rules.labeler_quality import labeler_quality
from labeling.rules.policies import people_policy
from labeling.rules.ranking_imports import split_dialogue
from labeling.rules.response_facts import load_response_facts
from labeling.rules.responses import import_responses
from labeling.rules.stored_rankings import load_rankings, newest_rankings

pytestmark = pytest.mark.django_db
DIALOGUE = "\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: Why?\n\nAssistant:"


def reasons(intake: Intake) -> dict[int, str]:
    assert intake.read == sum(intake.counts.values())
    return dict(intake.refusals.values_list("line", "reason"))


def ranking(ranks: list[Any], labeler: Any = "L1", **fields: Any) -> dict[str, Any]:
    responses = [f"answer {n}" for n in range(len(ranks))]
    return {"prompt": "What is best?", "responses": responses, "ranks": ranks, "labeler": labeler} | fields


def test_demonstrations_stand_in_a_closed_batch_and_as_responses_of_people() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "Say hi", "response": "  Hi!\n", "labeler": "L1"},
        {"prompt": "Say  hi", "response": "Hello!", "labeler": "L2", "user_id": 9},
        {"prompt": "Say hi", "response": "  Hi!\n", "labeler": "L1"},
        {"prompt": "Say hi", "response": " "},
        {"prompt": "Say hi"},
        {"response": "Hi"},
    ]
    intake = import_demonstrations(rows=rows, file_name="d.jsonl")
    assert reasons(intake) == {3: "duplicate", 4: "empty_response", 5: "malformed", 6: "malformed"}
    assert intake.counts["accepted"] == 2
    first, second = Demonstration.objects.order_by("id")
    assert first.text == first.response.text == "  Hi!\n"
    assert first.prompt == second.prompt
    assert first.response.policy == people_policy()
    assert (first.labeler.pseudonym, second.labeler.pseudonym) == ("L1", "L2")
    batch = Batch.objects.get()
    assert (batch.is_import, batch.status, batch.kind) == (True, "closed", "demonstration")
    assert batch.tasks.count() == 1
    assert import_demonstrations(rows=rows[:2]).counts == {"duplicate": 2}
    assert Batch.objects.count() == 1


def test_responses_make_policies_and_prompts_and_keep_empty_texts() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "P", "policy": "m1", "response": "", "sampling": {"temperature": 0.7}},
        {"prompt": "P", "policy": "m1", "response": "text"},
        {"prompt": "P", "policy": "m2", "response": "text"},
        {"prompt": "P", "policy": "m2", "response": "text", "index": 1},
        {"prompt": "P", "policy": "m2", "response": "text"},
        {"prompt": "P", "response": "text"},
        {"prompt": "P", "policy": "people", "response": "text"},
        {"prompt": "P", "policy": "m1", "response": "x", "sampling": "hot"},
        {"prompt": "P", "policy": "m1", "response": "x", "has_ended": "no"},
    ]
    people_policy()
    intake = import_responses(rows=rows)
    assert reasons(intake) == {5: "duplicate"} | dict.fromkeys(range(6, 10), "malformed")
    assert Response.objects.count() == 4
    assert Response.objects.get(text="").sampling == {"temperature": 0.7}
    assert set(Policy.objects.filter(kind="imported").values_list("name", flat=True)) == {"m1", "m2"}
    assert Prompt.objects.count() == 1


def test_rankings_keep_ranks_ties_ratings_flags_and_who_said_so() -> None:
    row = ranking([2, 1, 2], likert=[3, 7, None], flags=[{}, {"fails_task": False}, None], notes="hm")
    row["responses"][1] = {"text": "", "policy": "m1"}
    assert import_rankings(rows=[row]).counts == {"accepted": 1}
    stored = Ranking.objects.get()
    assert (stored.labeler.pseudonym, stored.notes) == ("L1", "hm")
    assert stored.shown_order == []
    places = [
        (place.response.text, place.response.policy.name, place.rank, place.likert, place.flags)
        for place in stored.places.order_by("id").select_related("response__policy")
    ]
    assert places == [
        ("answer 0", "unknown", 2, 3, {}),
        ("", "m1", 1, 7, {"fails_task": False}),
        ("answer 2", "unknown", 2, None, {}),
    ]
    batch = Batch.objects.get()
    assert (batch.k, batch.is_import, batch.status) == (3, True, "closed")


def test_labelers_of_the_same_responses_share_a_task_also_over_two_files() -> None:
    import_rankings(rows=[ranking([1, 2, 3]), ranking([1, 3, 2], "L2")])
    again = import_rankings(rows=[ranking([3, 2, 1], "L3"), ranking([1, 2, 3])])
    assert reasons(again) == {2: "duplicate"}
    assert Task.objects.count() == 1
    assert batch_agreement(Batch.objects.get()).pairs == 9


def test_same_text_twice_counts_as_two_responses() -> None:
    row = ranking([1, 1]) | {"responses": ["same", "same"]}
    assert import_rankings(rows=[row]).counts == {"accepted": 1}
    assert sorted(Response.objects.values_list("index", flat=True)) == [0, 1]
    assert Place.objects.count() == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"ranks": [1, 2]},
        {"ranks": [0, 1, 2]},
        {"ranks": [1, 2, 10]},
        {"ranks": [1, 2, "x"]},
        {"ranks": [1, 2, True]},
        {"ranks": [1.5, 2, 3]},
        {"ranks": None},
        {"responses": ["only one"], "ranks": [1]},
        {"responses": ["r"] * 10, "ranks": [1] * 10},
        {"responses": "abc"},
        {"responses": ["a", "b", 3]},
        {"responses": ["a", "b", {"policy": "m"}]},
        {"responses": ["a", "b", "c\x00"]},
        {"likert": [1, 2]},
        {"likert": [1, 2, 8]},
        {"flags": [{"fails_task": "yes"}, {}, {}]},
        {"ranks": [1, 2, 4]},
        {"prompt": None},
        {"labeler": ["L1"]},
    ],
)
def test_faulty_rankings_are_refused(fields: dict[str, Any]) -> None:
    intake = import_rankings(rows=[ranking([1, 2, 3]) | fields, ranking([1, 2, 3])])
    assert reasons(intake) == {1: "malformed"}
    assert Ranking.objects.count() == 1


def test_flag_that_no_form_asks_is_refused_by_its_name() -> None:
    intake = import_rankings(rows=[ranking([1, 2], flags=[{"witty": True}, {}]), ranking([1, 2])])
    assert reasons(intake) == {1: "unknown_flag"}
    assert "witty" in intake.refusals.get().detail


def test_strict_rankings_leave_nothing_behind() -> None:
    with pytest.raises(StrictImport):
        import_rankings(rows=[ranking([1, 2]), ranking([1])], strict=True)
    assert not Ranking.objects.exists()
    assert not Prompt.objects.exists()
    assert not Batch.objects.exists()
    assert not Labeler.objects.exists()


def test_dialogues_are_split_at_the_last_shared_assistant_turn() -> None:
    prompt, chosen, rejected = split_dialogue(DIALOGUE + " Because.", DIALOGUE + " Beware!")
    assert (prompt, chosen, rejected) == (DIALOGUE, "Because.", "Beware!")


def test_pairs_become_rankings_of_two() -> None:
    rows: list[dict[str, Any]] = [
        {"chosen": DIALOGUE + " good", "rejected": DIALOGUE + " bad"},
        {
            "chosen": DIALOGUE + " good\n\nHuman: more\n\nAssistant: a",
            "rejected": DIALOGUE + " good\n\nHuman: more\n\nAssistant: b",
        },
        {"prompt": "Q", "chosen": "yes", "rejected": "no", "labeler": "L9"},
        {"prompt": "Q", "chosen": "same", "rejected": "same"},
        {"chosen": "no dialogue", "rejected": "at all"},
        {"chosen": DIALOGUE},
        {
            "chosen": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
            "rejected": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Go"}],
        },
    ]
    intake = import_rankings(rows=rows, cohort=Cohort.HELD_OUT)
    assert reasons(intake) == {4: "identical", 5: "malformed", 6: "malformed"}
    first = Ranking.objects.order_by("id")[0]
    assert first.task.given_prompt.text == DIALOGUE.strip()
    assert list(first.places.order_by("rank").values_list("response__text", "rank")) == [
        ("good", 1),
        ("bad", 2),
    ]
    assert not Ranking.objects.exclude(labeler__cohort=Cohort.HELD_OUT).exists()


def test_order_of_a_file_is_not_taken_for_the_order_somebody_saw() -> None:
    import_rankings(rows=[{"prompt": f"Q{n}", "chosen": "yes", "rejected": "no"} for n in range(30)])
    rankings = newest_rankings()
    stored = load_rankings(rankings)
    (quality,) = labeler_quality(stored, load_response_facts(stored, rankings))
    assert quality.first_shown.value is None
    assert quality.reasons_to_look == []


def test_turns_of_one_dialogue_never_stand_in_different_splits() -> None:
    turns = [f" turn {n}\n\nHuman: go on\n\nAssistant:" for n in range(30)]
    rows = []
    for n in range(30):
        start = DIALOGUE + "".join(turns[:n])
        rows.append({"chosen": start + " x", "rejected": start + " y"})
    assert import_rankings(rows=rows).counts == {"accepted": 30}
    assert len(set(Prompt.objects.values_list("split", flat=True))) == 1
    assert Prompt.objects.count() == 30


def test_label_brings_its_prompt_through_the_same_checks() -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "word " * 900, "policy": "m", "response": "r"},
        {"prompt": " ", "policy": "m", "response": "r"},
        {"prompt": "Write to bob@example.com", "policy": "m", "response": "r"},
    ]
    assert reasons(import_responses(rows=rows)) == {1: "too_long", 2: "empty"}
    assert Prompt.objects.get().has_pii


def test_name_that_is_known_in_another_cohort_is_refused_with_the_reason() -> None:
    import_rankings(rows=[ranking([1, 2], labeler="L1")])
    more = [ranking([2, 1], labeler="L1"), ranking([2, 1], labeler="L2")]
    intake = import_rankings(rows=more, cohort=Cohort.HELD_OUT)
    refused = intake.refusals.get()
    assert (intake.counts, refused.line) == ({"accepted": 1, "malformed": 1}, 1)
    assert 'labeler "L1" is known as train, the import is of held_out' in refused.detail
    assert set(Ranking.objects.values_list("labeler__pseudonym", "labeler__cohort")) == {
        ("L1", "train"), ("L2", "held_out"),
    }  # fmt: skip


def test_lines_without_a_name_stand_under_one_of_their_cohort() -> None:
    import_rankings(rows=[ranking([1, 2], labeler=None)])
    intake = import_rankings(rows=[ranking([2, 1], labeler=None)], cohort=Cohort.HELD_OUT)
    assert not intake.refusals.exists()
    assert set(Ranking.objects.values_list("labeler__pseudonym", "labeler__cohort")) == {
        ("unknown", "train"), ("unknown (held_out)", "held_out"),
    }  # fmt: skip
