"""Rows of DROP, SQuADv2 and QuAC: what annotators said, dialogues unfolded, what a solved example needs."""

from typing import Any

import pytest

from training.rules.benchmark_passages import Question
from training.rules.benchmark_sets import read_questions

DROP = {"query_id": "d", "passage": "Tom met Ann.", "question": "Who met?"}
BLANK = {"number": "", "date": {"day": "", "month": "", "year": ""}, "spans": []}
TURNS: list[dict[str, Any]] = [
    {"id": "t0", "question": "Who?", "answers": [{"text": "Al"}], "orig_answer": {"text": "Al"}},
    {
        "id": "t1",
        "question": "When?",
        "answers": [{"text": "CANNOTANSWER"}, {"text": "in May"}],
        "orig_answer": {"text": "CANNOTANSWER"},
    },
    {
        "id": "t2",
        "question": "Where?",
        "answers": [{"text": "CANNOTANSWER"}, {"text": "at home"}, {"text": "home"}],
        "orig_answer": {"text": "at  home"},
    },
]
ARTICLE = {
    "title": "Al",
    "section_title": "Life",
    "background": "",
    "paragraphs": [{"id": "p", "context": "Al, at home. CANNOTANSWER", "qas": TURNS}],
}
HEAD = "Title: Al - Life\nPassage: Al, at home.\nAnswer from the passage, or write unanswerable.\n"


def taken(key: str, row: dict[str, Any], *, solved: bool = False) -> list[Question]:
    form = "numbers" if key == "drop" else "answer"
    found = list(read_questions(key, [(1, row)], form, solved=solved))
    assert all(question is not None for question, _ in found), found
    return [question for question, _ in found if question is not None]


def answers(row: dict[str, Any], *, solved: bool = False) -> list[list[str]]:
    [question] = taken("drop", {**DROP, **row}, solved=solved)
    given: list[list[str]] = question["answers"]
    return given


@pytest.mark.parametrize(
    ("spans", "wanted"),
    [
        (["12"], [["12"]]),
        (["12", "12"], [["12"]]),  # two annotators agree
        (["Tom", "Ann", "Tom", "Ann"], [["Tom", "Ann"]]),  # on two spans
        (["12", "13"], [["12"], ["13"], ["12", "13"]]),  # nobody knows whose
        (["12", "13", "12"], [["12"], ["13"], ["12", "13"]]),
    ],
)
def test_spans_of_several_annotators_in_one_list_are_alternatives(
    spans: list[str], wanted: list[list[str]]
) -> None:
    assert answers({"answers_spans": {"spans": spans, "types": []}}) == wanted


def test_spans_of_the_train_part_belong_together() -> None:
    assert answers({"answers_spans": {"spans": ["Tom", "Ann"]}}, solved=True) == [["Tom", "Ann"]]


def test_each_annotators_answer_is_read_where_the_row_tells_them_apart() -> None:
    dated = {**BLANK, "date": {"day": "", "month": "May", "year": "1920"}}
    rows = [{**BLANK, "number": "12"}, {**BLANK, "spans": ["Tom", "Ann"]}, dated, BLANK]
    wanted = [["Tom", "Ann"], ["12"], ["May 1920"]]
    first = {**BLANK, "spans": ["Tom", "Ann"]}

    assert answers({"answer": first, "validated_answers": rows}) == wanted
    columns = {name: [row[name] for row in rows] for name in BLANK}
    assert answers({"answer": first, "validated_answers": columns}) == wanted
    assert answers({"answer": first}) == [["Tom", "Ann"]]


def test_a_question_that_nobody_answered_is_refused() -> None:
    given: list[dict[str, Any]] = [
        {"answer": BLANK},
        {"answers_spans": {"spans": []}},
        {"answers_spans": {"spans": [" "]}},
        {},
    ]
    for row in given:
        [(question, why)] = read_questions("drop", [(1, {**DROP, **row})], "numbers")
        assert question is None
        assert "a row has query_id, passage, question; answer and validated_answers" in why


def test_a_dialogue_becomes_questions_behind_those_before_them() -> None:
    first, second, third = taken("quac", ARTICLE)
    assert first == {"id": "t0", "prompt": f"{HEAD}Question: Who?\nAnswer:", "answers": [["Al"]]}
    assert second["answers"] == []  # as many say that there is none
    assert second["prompt"] == f"{HEAD}Question: Who?\nAnswer: Al\nQuestion: When?\nAnswer:"
    assert third["answers"] == [["at home"], ["home"]]
    assert third["prompt"].endswith("Question: When?\nAnswer: unanswerable\nQuestion: Where?\nAnswer:")


def test_a_row_of_the_hub_says_the_same_as_the_article() -> None:
    columns = {
        "wikipedia_page_title": "Al",
        "section_title": "Life",
        "context": "Al, at home. CANNOTANSWER",
        "turn_ids": [turn["id"] for turn in TURNS],
        "questions": [turn["question"] for turn in TURNS],
        "orig_answers": {"texts": [turn["orig_answer"]["text"] for turn in TURNS]},
    }
    texts = [[answer["text"] for answer in turn["answers"]] for turn in TURNS]
    for given in ({"texts": texts}, [{"texts": said} for said in texts]):
        for solved in (False, True):
            row = {**columns, "answers": given}
            assert taken("quac", row, solved=solved) == taken("quac", ARTICLE, solved=solved)


def test_a_solved_dialogue_is_one_example() -> None:
    [example] = taken("quac", ARTICLE, solved=True)
    assert example["prompt"] == taken("quac", ARTICLE)[-1]["prompt"]
    assert example["answers"] == [["at home"]]
    assert example["prompt"][: example["passage_chars"]] == HEAD


def test_a_dialogue_with_a_question_lacking_an_answer_is_refused() -> None:
    short = {**ARTICLE, "paragraphs": [{"context": "", "qas": [{**TURNS[0], "answers": []}]}]}
    for row in (short, {**ARTICLE, "paragraphs": [{"context": "", "qas": []}]}, {"questions": ["Who?"]}):
        [(question, why)] = read_questions("quac", [(7, row)], "answer")
        assert question is None
        assert why.startswith("line 7: ")


def test_solved_questions_say_which_part_of_their_prompt_is_the_passage() -> None:
    row = {"id": "s", "context": "A dog.", "question": "Who?", "answers": {"text": ["a dog", "dog"]}}
    [example] = taken("squadv2", row, solved=True)
    [question] = taken("squadv2", row)
    assert example == {**question, "passage_chars": question["prompt"].index("Question:")}
    [drop] = taken("drop", {**DROP, "answers_spans": {"spans": ["Tom", "Ann"]}}, solved=True)
    assert drop["prompt"][: drop["passage_chars"]] == "Passage: Tom met Ann.\n"
