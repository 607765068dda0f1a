"""Rows of the public sets that ask about a passage: DROP, SQuADv2 and QuAC, as they are published.

A solved example also says, as `passage_chars`, how much of its prompt is the passage, so that all questions
of a passage can be shown as one example (`benchmark.examples_by`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Question = dict[str, Any]
NO_ANSWER = "unanswerable"
"""What a prompt asks for where the passage has no answer."""
CANNOT_ANSWER = "CANNOTANSWER"
"""What QuAC's passages and answers have there."""
MAY_LACK = f"Answer from the passage, or write {NO_ANSWER}.\n"


def read_drop(row: Row) -> list[Question]:
    """Read a question of DROP; each annotator's answer is accepted."""
    return [_about_passage(row["query_id"], *_drop_texts(row), _drop_answers(row, solved=False))]


def read_solved_drop(row: Row) -> list[Question]:
    """Read a question of DROP's train part: one annotator, all of whose spans belong together."""
    return [_solved(row["query_id"], *_drop_texts(row), _drop_answers(row, solved=True))]


def read_squad(row: Row) -> list[Question]:
    """Read a question of SQuADv2."""
    return [_about_passage(row["id"], *_squad_texts(row))]


def read_solved_squad(row: Row) -> list[Question]:
    """Read a question of SQuADv2 to be shown with its answer."""
    return [_solved(row["id"], *_squad_texts(row))]


def read_quac(row: Row) -> list[Question]:
    """Unfold a row of QuAC into its questions, each behind those before it and their answers.

    Where as many annotators or more say that the passage has no answer as give one, there is none, as in the
    set's own evaluator.
    """
    found = []
    for title, context, turns in _dialogues(row):
        head, said = f"{title}Passage: {context}\n{MAY_LACK}", ""
        for turn in turns:
            cannot = turn.accepted.count(CANNOT_ANSWER)
            texts = [text for text in dict.fromkeys(turn.accepted) if text != CANNOT_ANSWER]
            answers = [[text] for text in texts] if 2 * cannot < len(turn.accepted) else []
            question = f"{said}Question: {turn.question}\nAnswer:"
            found.append(_about_passage(turn.key, head, question, answers))
            said = f"{question} {turn.shown}\n"
    return found


def read_solved_quac(row: Row) -> list[Question]:
    """Unfold a row of QuAC into one solved example for each dialogue: all its questions and answers."""
    found = []
    for title, context, turns in _dialogues(row):
        head = f"{title}Passage: {context}\n{MAY_LACK}"
        said = "".join(f"Question: {turn.question}\nAnswer: {turn.shown}\n" for turn in turns[:-1])
        last = turns[-1]
        answers = [] if last.shown == NO_ANSWER else [[last.shown]]
        found.append(_solved(last.key, head, f"{said}Question: {last.question}\nAnswer:", answers))
    return found


class _Turn(NamedTuple):
    key: str
    question: str
    accepted: list[str]
    shown: str


def _about_passage(key: Any, head: str, question: str, answers: list[list[str]]) -> Question:
    return {"id": str(key), "prompt": head + question, "answers": answers}


def _solved(key: Any, head: str, question: str, answers: list[list[str]]) -> Question:
    return {**_about_passage(key, head, question, answers), "passage_chars": len(head)}


def _squad_texts(row: Row) -> tuple[str, str, list[list[str]]]:
    answers = [[str(answer)] for answer in row["answers"]["text"]]
    return f"Passage: {row['context']}\n{MAY_LACK}", f"Question: {row['question']}\nAnswer:", answers


def _drop_texts(row: Row) -> tuple[str, str]:
    return f"Passage: {row['passage']}\n", f"Question: {row['question']}\nAnswer:"


def _drop_answers(row: Row, *, solved: bool) -> list[list[str]]:
    """Return the accepted answers, each a list of spans that are all wanted."""
    if "answer" in row or "validated_answers" in row:
        given = [row["answer"]] if row.get("answer") else []
        given += _one_by_one(row.get("validated_answers") or [])
        answers = list(dict.fromkeys(tuple(_drop_spans(answer)) for answer in given))
    else:
        spans = tuple(str(span) for span in row["answers_spans"]["spans"])
        answers = [spans] if solved else _by_annotator(spans)
    found = [list(spans) for spans in answers if spans and spans[0].strip()]
    if not found:
        raise ValueError("the answer")
    return found


def _drop_spans(answer: Row) -> list[str]:
    """Read an annotator's answer: a number, spans, or a date."""
    if str(answer.get("number") or "") or answer.get("number") == 0:
        return [str(answer["number"])]
    if answer.get("spans"):
        return [str(span) for span in answer["spans"]]
    date = answer.get("date") or {}
    return [" ".join(str(date[part]) for part in ("day", "month", "year") if date.get(part))]


def _by_annotator(spans: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Part the spans of all annotators in one list, where nothing says whose a span is.

    A block that is repeated to the end is what they all said. Otherwise each span is somebody's answer, and
    all together may be one as well.
    """
    for size in range(1, len(spans)):
        if len(spans) % size == 0 and spans == spans[:size] * (len(spans) // size):
            return [spans[:size]]
    different = tuple(dict.fromkeys(spans))
    alone: list[tuple[str, ...]] = [(span,) for span in different]
    return alone if len(different) < 2 else [*alone, different]


def _dialogues(row: Row) -> Iterator[tuple[str, str, list[_Turn]]]:
    """Give title, passage and turns of each dialogue: of an article, or of one of the hub's rows."""
    if "paragraphs" in row:
        for part in row["paragraphs"]:
            turns = [
                _turn(qa["id"], qa["question"], [a["text"] for a in qa["answers"]], qa["orig_answer"]["text"])
                for qa in part["qas"]
            ]
            yield _title(row["title"], row["section_title"]), _passage(part["context"]), _some(turns)
        return
    accepted, shown = _one_by_one(row["answers"]), _one_by_one(row["orig_answers"])
    together = zip(row["turn_ids"], row["questions"], accepted, shown, strict=True)
    turns = [_turn(key, asked, given["texts"], said["texts"]) for key, asked, given, said in together]
    yield _title(row["wikipedia_page_title"], row["section_title"]), _passage(row["context"]), _some(turns)


def _turn(key: Any, question: Any, accepted: Sequence[Any], shown: Any) -> _Turn:
    texts = [_line(text) for text in accepted]
    if not texts:
        raise ValueError(f"the answer to {key}")
    said = _line(shown)
    return _Turn(str(key), _line(question), texts, NO_ANSWER if said == CANNOT_ANSWER else said)


def _some(turns: list[_Turn]) -> list[_Turn]:
    if not turns:
        raise ValueError("a question of the dialogue")
    return turns


def _title(title: Any, section: Any) -> str:
    return f"Title: {_line(title)} - {_line(section)}\n"


def _passage(context: Any) -> str:
    return str(context).strip().removesuffix(CANNOT_ANSWER).strip()


def _line(text: Any) -> str:
    return " ".join(str(text).split())


def _one_by_one(given: Any) -> list[dict[str, Any]]:
    """Turn columns of lists into a list of rows: sets are published either way."""
    if not isinstance(given, Mapping):
        return list(given)
    return [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
