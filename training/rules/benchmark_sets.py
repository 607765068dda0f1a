"""The public evaluation sets that we know: how a row as it is published becomes a question.

Ouyang et al. 2022, app. D and table 14, name sets, metrics and solved examples. No set comes with the
project: a researcher imports the files, and every question is kept in one of the forms that the core puts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from training.rules.benchmark_passages import (
    Question,
    Row,
    read_drop,
    read_quac,
    read_solved_drop,
    read_solved_quac,
    read_solved_squad,
    read_squad,
)

FORMS: Mapping[str, tuple[str, ...]] = {
    "choice": ("acc_token", "acc", "acc_norm"),
    "truth": ("mc1", "mc2"),
    "pair": ("entropy", "first_preferred"),
    "answer": ("f1", "exact"),
    "numbers": ("f1", "exact"),
    "translation": ("bleu",),
    "summary": ("rouge_l",),
    "toxicity": ("toxicity", "toxic_fraction"),
}
"""What comes out of each form, what the paper reports first."""
SEXES = ("male", "female")
TASK_FORM = "task"
"""The form of a harness task of one's own: rows as they are, asked and scored as its definition says."""


@dataclass(frozen=True)
class BenchmarkSet:
    """A public set. `few_shot` is what the paper showed before each question, `columns` what a row needs.

    `read` gives the question of a row, or several; `read_solved` those of solved examples where that differs.
    """

    key: str
    title: str
    form: str
    few_shot: str
    columns: str
    read: Callable[[Row], Question | list[Question]]
    read_solved: Callable[[Row], list[Question]] | None = None


def _hellaswag(row: Row) -> Question:
    context = f"{row['ctx_a']} {str(row['ctx_b']).capitalize()}".strip()
    choices = [_plain(ending) for ending in row["endings"]]
    prompt = _plain(f"{row['activity_label']}: {context}")
    return {"id": str(row["ind"]), "prompt": prompt, "choices": choices, "answer": int(row["label"])}


def _plain(text: str) -> str:
    """Take out what the set's source left: titles in brackets and double spaces."""
    return re.sub(r" +", " ", re.sub(r"\[.*?\]", "", str(text).replace(" [title]", ". "))).strip()


def _french(row: Row) -> Question:
    pair = row.get("translation", row)
    prompt = f"French: {pair['fr']}\nEnglish:"
    return {"id": _id(row, pair["fr"]), "prompt": prompt, "reference": str(pair["en"])}


def _winogender(row: Row) -> Question:
    return {"id": str(row["id"]), "sentences": [str(row["male"]), str(row["female"])]}


def _crows(row: Row) -> Question:
    both = [str(row["sent_more"]), str(row["sent_less"])]
    return {"id": _id(row, both[0]), "sentences": both, "category": str(row.get("bias_type", ""))}


def _toxicity(row: Row) -> Question:
    prompt = row["prompt"]["text"] if isinstance(row["prompt"], Mapping) else row["prompt"]
    return {"id": _id(row, str(prompt)), "prompt": str(prompt)}


def _truthful(row: Row) -> Question:
    best = row["mc1_targets"]["choices"][row["mc1_targets"]["labels"].index(1)]
    targets = row["mc2_targets"]
    choices = [str(choice) for choice in targets["choices"]]
    return {
        "id": _id(row, str(row["question"])),
        "prompt": f"Q: {row['question']}\nA:",
        "choices": choices,
        "labels": [bool(label) for label in targets["labels"]],
        "answer": choices.index(str(best)),
    }


def _rte(row: Row) -> Question:
    prompt = f"{row['sentence1']}\nQuestion: {row['sentence2']} True or False?\nAnswer:"
    return _choice(row, prompt, ["True", "False"])


def _sst(row: Row) -> Question:
    prompt = f"{row['sentence']}\nQuestion: Is this sentence positive or negative?\nAnswer:"
    return _choice(row, prompt, ["negative", "positive"])


def _wsc(row: Row) -> Question:
    question = f'Question: Does "{row["span2_text"]}" refer to "{row["span1_text"]}", yes or no?'
    prompt = f"{row['text']}\n{question}\nAnswer:"
    return _choice(row, prompt, ["no", "yes"])


def _choice(row: Row, prompt: str, choices: list[str]) -> Question:
    return {"id": _id(row, prompt), "prompt": prompt, "choices": choices, "answer": int(row["label"])}


def _cnn(row: Row) -> Question:
    prompt = f"{row['article']}\nSummary:"
    return {"id": _id(row, prompt), "prompt": prompt, "reference": " ".join(str(row["highlights"]).split())}


def _tldr(row: Row) -> Question:
    prompt = f"{row['content']}\nTL;DR:"
    return {"id": _id(row, prompt), "prompt": prompt, "reference": " ".join(str(row["summary"]).split())}


def _own(row: Row) -> Question:
    return {**row, "id": _id(row, str(row.get("prompt", "")))}


def _id(row: Row, text: str) -> str:
    return str(row.get("id", row.get("idx", text[:200])))


SETS: Mapping[str, BenchmarkSet] = {
    given.key: given
    for given in (
        BenchmarkSet(
            "hellaswag",
            "HellaSwag",
            "choice",
            "15",
            "ind, activity_label, ctx_a, ctx_b, endings, label",
            _hellaswag,
        ),
        BenchmarkSet(
            "drop",
            "DROP",
            "numbers",
            "4 passages",
            "query_id, passage, question; answer and validated_answers, or answers_spans",
            read_drop,
            read_solved_drop,
        ),
        BenchmarkSet(
            "squadv2",
            "SQuADv2",
            "answer",
            "4 passages",
            "id, context, question, answers",
            read_squad,
            read_solved_squad,
        ),
        BenchmarkSet(
            "quac",
            "QuAC",
            "answer",
            "2 paragraphs",
            "wikipedia_page_title, section_title, context, turn_ids, questions, answers, orig_answers; or "
            "title, section_title, paragraphs",
            read_quac,
            read_solved_quac,
        ),
        BenchmarkSet("wmt_fr_en", "WMT fr-en", "translation", "15", "fr, en", _french),
        BenchmarkSet(
            "winogender", "Winogender", "pair", "0", "id, male, female; or sentid, sentence", _winogender
        ),
        BenchmarkSet("crows_pairs", "CrowS-Pairs", "pair", "0", "sent_more, sent_less", _crows),
        BenchmarkSet("realtoxicityprompts", "RealToxicityPrompts", "toxicity", "0", "prompt", _toxicity),
        BenchmarkSet(
            "truthfulqa", "TruthfulQA", "truth", "6", "question, mc1_targets, mc2_targets", _truthful
        ),
        BenchmarkSet("rte", "RTE", "choice", "15", "sentence1, sentence2, label", _rte),
        BenchmarkSet("sst", "SST-2", "choice", "15", "sentence, label", _sst),
        BenchmarkSet("wsc", "WSC", "choice", "15", "text, span1_text, span2_text, label", _wsc),
        BenchmarkSet("cnn_dm", "CNN/DM", "summary", "15", "article, highlights", _cnn),
        BenchmarkSet("tldr", "TL;DR", "summary", "15", "content, summary", _tldr),
    )
}
OWN = "own"
"""Questions of a researcher's own, in one of the forms."""


def read_questions(
    key: str, rows: Iterable[tuple[int, Row]], form: str, *, solved: bool = False
) -> Iterator[tuple[Question | None, str]]:
    """Turn rows, each with the number of its line, into questions; for a bad one none and a sentence why.

    `solved` says that they are to be shown with their answers.
    """
    known = SETS.get(key)
    read = known.read_solved if known and known.read_solved and solved else known.read if known else _own
    seen: set[str] = set()
    for number, row in _paired(rows) if key == "winogender" else rows:
        if isinstance(row, str):
            yield None, f"line {number}: {row}"
            continue
        try:
            found = read(row)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            wanted = known.columns if known else "what the form needs"
            yield None, f"line {number}: {error} is missing or wrong; a row has {wanted}"
            continue
        for question in found if isinstance(found, list) else [found]:
            problem = _problem(question, form)
            if not problem and question["id"] in seen:
                problem = f"the id {question['id']} stands twice"
            if problem:
                yield None, f"line {number}: {problem}"
            else:
                seen.add(question["id"])
                yield question, ""


def _paired(rows: Iterable[tuple[int, Row]]) -> Iterator[tuple[int, Row | str]]:
    """Join the published one-sentence rows of Winogender: its male and its female sentence are a pair.

    The neutral ones belong to the set and to no pair. Of a row that can be in no pair it says why.
    """
    halves: dict[str, dict[str, str]] = {}
    first: dict[str, int] = {}
    for number, row in rows:
        if "sentid" not in row:
            yield number, row
            continue
        words = str(row["sentid"]).removesuffix(".txt").split(".")
        sex = next((word for word in words if word in (*SEXES, "neutral")), "")
        name = ".".join(word for word in words if word != sex)
        half = halves.setdefault(name, {"id": name})
        if not sex:
            yield number, f"the sentid {row['sentid']} says neither male nor female nor neutral"
        elif not row.get("sentence"):
            yield number, "'sentence' is missing or empty"
        elif sex in half:
            yield number, f"the {sex} sentence of {name} stands twice"
        elif sex != "neutral":
            half[sex] = str(row["sentence"])
            first.setdefault(name, number)
            if half.keys() >= set(SEXES):
                yield number, half
    for name, number in first.items():
        for sex in SEXES:
            if sex not in halves[name]:
                yield number, f"{name} has no {sex} sentence, so it is no pair"


def _problem(question: Question, form: str) -> str:
    """Return why a question is none of its form, empty where it is one."""
    if form == "pair":
        pair = question.get("sentences")
        fits = isinstance(pair, list) and len(pair) == 2 and all(isinstance(s, str) and s for s in pair)
        return "" if fits else '"sentences" is not a pair of texts'
    if not isinstance(question.get("prompt"), str) or not question["prompt"].strip():
        return '"prompt" is missing or empty'
    if form in ("choice", "truth"):
        return _problem_of_choices(question, form)
    if form in ("answer", "numbers"):
        answers = question.get("answers")
        fits = isinstance(answers, list) and all(
            isinstance(spans, list) and spans and all(isinstance(s, str) for s in spans) for spans in answers
        )
        return "" if fits else '"answers" is no list of lists of texts'
    if form in ("translation", "summary"):
        return "" if isinstance(question.get("reference"), str) else '"reference" is no text'
    return ""


def _problem_of_choices(question: Question, form: str) -> str:
    choices, answer = question.get("choices"), question.get("answer")
    if (
        not isinstance(choices, list)
        or len(choices) < 2
        or not all(isinstance(c, str) and c for c in choices)
    ):
        return '"choices" is no list of two texts or more'
    if not isinstance(answer, int) or not 0 <= answer < len(choices):
        return f'"answer" is {answer!r}; allowed is a place among the {len(choices)} choices, from 0'
    if form == "truth":
        labels = question.get("labels")
        if not isinstance(labels, list) or len(labels) != len(choices) or not labels[answer]:
            return '"labels" does not say of each choice whether it is true, that of the answer among them'
    return ""
