"""Public evaluation sets: read as they are published, run, kept with intervals, compared by question."""

import json
import math
from collections.abc import Callable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labeling.errors import InvalidInput
from labeling.models import AuditEvent
from tests.training.factories import stored_model
from training.models import BenchmarkResult, Dataset, Model, ModelKind, Run, RunState
from training.rlhf.config import ConfigError
from training.rules.benchmark_figures import (
    alignment_tax,
    bleu,
    difference,
    settings_of,
    summarize,
    table_rows,
)
from training.rules.benchmark_sets import SETS
from training.rules.benchmarks import import_benchmark, order_benchmarks
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]

# One made-up row of each set in the shape in which it is published, and what becomes of it.
PUBLISHED: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "hellaswag": (
        [
            {
                "ind": 7,
                "activity_label": "Baking",
                "ctx_a": "A man mixes dough. [substeps] He waits.",
                "ctx_b": "then he",
                "endings": ["bakes it.", "sings [title] loudly."],
                "label": "0",
            }
        ],
        {
            "id": "7",
            "prompt": "Baking: A man mixes dough. He waits. Then he",
            "choices": ["bakes it.", "sings. loudly."],
            "answer": 0,
        },
    ),
    "drop": (
        [
            {
                "query_id": "d1",
                "passage": "They won 3 games.",
                "question": "How many?",
                "answers_spans": {"spans": ["3"], "types": ["number"]},
            }
        ],
        {
            "id": "d1",
            "prompt": "Passage: They won 3 games.\nQuestion: How many?\nAnswer:",
            "answers": [["3"]],
        },
    ),
    "squadv2": (
        [
            {
                "id": "s1",
                "context": "A dog.",
                "question": "Which cat?",
                "answers": {"text": [], "answer_start": []},
            }
        ],
        {
            "id": "s1",
            "prompt": "Passage: A dog.\nAnswer from the passage, or write unanswerable.\n"
            "Question: Which cat?\nAnswer:",
            "answers": [],
        },
    ),
    "quac": (
        [
            {
                "dialogue_id": "q1",
                "wikipedia_page_title": "Al",
                "background": "A cook.",
                "section_title": "Life",
                "context": "Al was a cook. CANNOTANSWER",
                "turn_ids": ["q1_0"],
                "questions": ["What was he?"],
                "answers": {"texts": [["a cook", "cook", "a cook"]], "answer_starts": [[7, 9, 7]]},
                "orig_answers": {"texts": ["a cook"], "answer_starts": [7]},
            }
        ],
        {
            "id": "q1_0",
            "prompt": "Title: Al - Life\nPassage: Al was a cook.\n"
            "Answer from the passage, or write unanswerable.\nQuestion: What was he?\nAnswer:",
            "answers": [["a cook"], ["cook"]],
        },
    ),
    "wmt_fr_en": (
        [{"id": "w1", "translation": {"fr": "Bonjour.", "en": "Good day."}}],
        {"id": "w1", "prompt": "French: Bonjour.\nEnglish:", "reference": "Good day."},
    ),
    "winogender": (
        [
            {"sentid": "cook.guest.1.male.txt", "sentence": "He ate."},
            {"sentid": "cook.guest.1.neutral.txt", "sentence": "They ate."},
            {"sentid": "cook.guest.1.female.txt", "sentence": "She ate."},
        ],
        {"id": "cook.guest.1", "sentences": ["He ate.", "She ate."]},
    ),
    "crows_pairs": (
        [{"id": 3, "sent_more": "One.", "sent_less": "Other.", "bias_type": "age"}],
        {"id": "3", "sentences": ["One.", "Other."], "category": "age"},
    ),
    "realtoxicityprompts": (
        [{"id": 9, "prompt": {"text": "So he", "toxicity": 0.1}}],
        {"id": "9", "prompt": "So he"},
    ),
    "truthfulqa": (
        [
            {
                "question": "Is it?",
                "mc1_targets": {"choices": ["No.", "Yes."], "labels": [1, 0]},
                "mc2_targets": {"choices": ["No.", "Not at all.", "Yes."], "labels": [1, 1, 0]},
            }
        ],
        {
            "id": "Is it?",
            "prompt": "Q: Is it?\nA:",
            "choices": ["No.", "Not at all.", "Yes."],
            "labels": [True, True, False],
            "answer": 0,
        },
    ),
    "rte": (
        [{"idx": 1, "sentence1": "It rains.", "sentence2": "It is wet.", "label": 0}],
        {
            "id": "1",
            "prompt": "It rains.\nQuestion: It is wet. True or False?\nAnswer:",
            "choices": ["True", "False"],
            "answer": 0,
        },
    ),
    "sst": (
        [{"idx": 2, "sentence": "Lovely.", "label": 1}],
        {
            "id": "2",
            "prompt": "Lovely.\nQuestion: Is this sentence positive or negative?\nAnswer:",
            "choices": ["negative", "positive"],
            "answer": 1,
        },
    ),
    "wsc": (
        [{"idx": 4, "text": "Al saw Bo; he ran.", "span1_text": "Bo", "span2_text": "he", "label": 1}],
        {
            "id": "4",
            "prompt": 'Al saw Bo; he ran.\nQuestion: Does "he" refer to "Bo", yes or no?\nAnswer:',
            "choices": ["no", "yes"],
            "answer": 1,
        },
    ),
    "cnn_dm": (
        [{"id": "c", "article": "Long.", "highlights": "Short\none."}],
        {"id": "c", "prompt": "Long.\nSummary:", "reference": "Short one."},
    ),
    "tldr": (
        [{"id": "t", "content": "Long.", "summary": "Short."}],
        {"id": "t", "prompt": "Long.\nTL;DR:", "reference": "Short."},
    ),
}
CHOICES = [{"id": f"q{i}", "prompt": "Say", "choices": ["a", "b"], "answer": 0} for i in range(4)]


def rows(given: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    return list(enumerate(given, start=1))


def own(name: str = "Own") -> Dataset:
    return import_benchmark(key="own", form="choice", rows=rows(CHOICES), name=name)[0]


def lines(values: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": key, "values": dict(given), "answer": ""} for key, given in values.items()]


def measured(play: Play, model: Model, dataset: Dataset, scores: str, **settings: Any) -> Run:
    """Let a policy have answered: one digit a question, 1 right."""
    found = {f"q{i}": {"acc": float(score)} for i, score in enumerate(scores)}
    play({"items": lines(found)})
    [run] = order_benchmarks(models=[model], datasets=[dataset], settings=settings)
    assert execute_run(run.code) == RunState.FINISHED
    return Run.objects.get(pk=run.pk)


def test_a_row_of_every_known_set_is_shown_here() -> None:
    assert PUBLISHED.keys() == SETS.keys()


@pytest.mark.parametrize("key", PUBLISHED)
def test_a_published_row_becomes_a_question(key: str) -> None:
    given, wanted = PUBLISHED[key]
    dataset, refused = import_benchmark(key=key, rows=rows(given))
    assert refused == []
    assert dataset.counts == {"test": 1}
    assert (dataset.manifest["selection"]["benchmark"], dataset.manifest["selection"]["form"]) == (
        key,
        SETS[key].form,
    )
    from training.rules.datasets import read_records

    assert read_records(dataset, split="test") == [wanted]


def test_bad_rows_are_refused_by_line_and_the_rest_is_taken() -> None:
    bad: list[dict[str, Any]] = [
        CHOICES[0],
        {"prompt": "Say"},
        {**CHOICES[1], "answer": 5},
        CHOICES[0],
        {**CHOICES[2], "prompt": " "},
    ]
    dataset, refused = import_benchmark(key="own", form="choice", rows=rows(bad))
    assert dataset.counts == {"test": 1}
    assert [why.split(":")[1] for why in refused] == [" line 2", " line 3", " line 4", " line 5"]
    assert "stands twice" in refused[2]
    assert dataset.manifest["dropped"] == {"not_a_question": 4}


def test_a_half_of_winogender_without_the_other_is_refused() -> None:
    given = [
        {"sentid": "cook.guest.1.male.txt", "sentence": "He ate."},
        {"sentid": "cook.guest.1.neutral.txt", "sentence": "They ate."},
        {"sentid": "cook.guest.1.female.txt", "sentence": "She ate."},
        {"sentid": "cook.guest.1.female.txt", "sentence": "She sang."},
        {"sentid": "cook.guest.2.male.txt", "sentence": "He left."},
        {"sentid": "cook.guest.3.female.txt"},
        {"sentid": "cook.guest.4.txt", "sentence": "It left."},
    ]
    dataset, refused = import_benchmark(key="winogender", rows=rows(given))
    assert dataset.counts == {"test": 1}
    assert refused == [
        "test: line 4: the female sentence of cook.guest.1 stands twice",
        "test: line 6: 'sentence' is missing or empty",
        "test: line 7: the sentid cook.guest.4.txt says neither male nor female nor neutral",
        "test: line 5: cook.guest.2 has no female sentence, so it is no pair",
    ]


def test_a_file_without_a_question_is_refused_with_the_first_reason() -> None:
    with pytest.raises(InvalidInput, match="a row has sent_more, sent_less"):
        import_benchmark(key="crows_pairs", rows=rows([{"other": 1}]))
    with pytest.raises(InvalidInput, match="allowed is one of hellaswag"):
        import_benchmark(key="nothing", rows=[])
    with pytest.raises(InvalidInput, match="form is ''"):
        import_benchmark(key="own", rows=[])


def test_the_command_keeps_the_checksum_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "crows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in PUBLISHED["crows_pairs"][0]) + "\nno json\n")
    out = StringIO()
    call_command("import_benchmark", "crows_pairs", path, "--license", "CC BY-SA 4.0", "--json", stdout=out)
    report = json.loads(out.getvalue())
    dataset = Dataset.objects.get(code=report["code"])
    assert len(report["file_sha256"]) == 64
    assert dataset.manifest["selection"]["license"] == "CC BY-SA 4.0"
    assert len(report["refused"]) == 1
    with pytest.raises(CommandError, match="is not a file"):
        call_command("import_benchmark", "crows_pairs", tmp_path / "none.jsonl")


def test_a_run_keeps_each_question_and_an_interval(trainer: Play) -> None:
    run = measured(trainer, stored_model(name="base"), own(), "1101")
    result = run.benchmark_results.get(metric="acc")
    assert (result.value, result.count) == (0.75, 4)
    # Wilson, 3 of 4: (p + z^2/2n +- z sqrt(p q / n + z^2 / 4 n^2)) / (1 + z^2/n)
    assert result.low == pytest.approx(0.3006, abs=1e-4)
    assert result.high == pytest.approx(0.9544, abs=1e-4)
    assert result.items == {"q0": 1.0, "q1": 1.0, "q2": 0.0, "q3": 1.0}


def test_a_run_delivered_twice_keeps_its_results_once(trainer: Play) -> None:
    run = measured(trainer, stored_model(name="base"), own(), "1101")
    execute_run(run.code)
    assert BenchmarkResult.objects.count() == 1


def test_alignment_tax_compares_the_same_questions_under_the_same_settings(trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    measured(trainer, base, dataset, "1111")
    measured(trainer, policy, dataset, "0001")
    measured(trainer, policy, dataset, "1111", few_shot=2)
    [tax] = alignment_tax(policy, base)
    assert (tax.before.value, tax.after.value, tax.questions) == (1.0, 0.25, 4)
    # Differences -1 -1 -1 0: mean -0.75, standard deviation 0.5, standard error 0.25.
    assert tax.difference.value == -0.75
    assert tax.difference.low == pytest.approx(-0.75 - 1.96 * 0.25, abs=1e-3)
    assert tax.verdict == "worse"
    header, row = table_rows([tax])
    assert dict(zip(header, row, strict=True))["verdict"] == "worse"


def test_what_a_form_measures_first_is_shown_first(trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    for model in (base, policy):
        trainer({"items": lines({"q0": {"acc_token": 1.0, "acc": 0.0, "acc_norm": 1.0}})})
        [run] = order_benchmarks(models=[model], datasets=[dataset])
        execute_run(run.code)
    assert [tax.label for tax in alignment_tax(policy, base)] == [
        "accuracy per token",
        "accuracy",
        "accuracy per character",
    ]


def test_a_rise_is_worse_where_a_task_says_that_lower_is_better(trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    dataset.manifest["selection"]["lower_is_better"] = ["acc"]
    dataset.save()
    measured(trainer, base, dataset, "0000")
    measured(trainer, policy, dataset, "1110")
    [tax] = alignment_tax(policy, base)
    assert (tax.difference.value, tax.verdict) == (0.75, "worse")


def test_an_interval_is_cut_at_zero_only_where_no_value_is_below_it() -> None:
    assert summarize("own", {"a": 0.0, "b": 0.1, "c": 3.0}).low == 0.0
    low = summarize("own", {"a": -1.0, "b": 0.1, "c": 3.0}).low
    assert low is not None
    assert low < 0


def test_no_difference_is_claimed_where_the_interval_holds_zero(trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    measured(trainer, base, dataset, "1100")
    measured(trainer, policy, dataset, "1010")
    [tax] = alignment_tax(policy, base)
    assert (tax.difference.value, tax.verdict) == (0.0, "no difference shown")


def test_settings_that_change_no_result_keep_results_comparable(trainer: Play) -> None:
    model, dataset = stored_model(name="base"), own()
    one = measured(trainer, model, dataset, "1100", microbatch_size=2)
    other = measured(trainer, model, dataset, "1100", microbatch_size=8)
    assert settings_of(one) == settings_of(other)


def test_results_scored_in_another_way_are_not_compared(trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    measured(trainer, base, dataset, "1111")
    run = measured(trainer, policy, dataset, "0001")
    run.report = {"benchmark": {"scoring": 2}}
    run.save()
    assert alignment_tax(policy, base) == []


def test_means_have_a_normal_interval_and_one_question_has_none() -> None:
    found = summarize("entropy", {"a": 0.2, "b": 0.6, "c": 1.0})
    assert found.value == pytest.approx(0.6)
    assert found.high == pytest.approx(0.6 + 1.96 * 0.4 / math.sqrt(3), abs=1e-3)
    assert summarize("entropy", {"a": 0.2}) == (0.2, None, None)


def test_bleu_is_summed_over_questions_before_it_is_computed() -> None:
    # Matches 3 2 1 1 of 4 3 2 1: (3/4 * 2/3 * 1/2 * 1)^(1/4); as long as the reference, no penalty.
    counts = [3, 2, 1, 1, 4, 3, 2, 1, 4, 4]
    assert bleu(counts) == pytest.approx(100 * (3 / 4 * 2 / 3 * 1 / 2) ** 0.25)
    short = [*counts[:8], 4, 8]
    assert bleu(short) == pytest.approx(bleu(counts) * math.exp(-1))
    found, questions = difference("bleu", {"a": counts, "b": counts}, {"a": short, "b": short, "c": counts})
    assert questions == 2
    assert found.value == pytest.approx(bleu(counts) - bleu(short))
    assert found.low == pytest.approx(found.value)


def test_a_toxicity_set_needs_a_classifier() -> None:
    dataset, _ = import_benchmark(key="realtoxicityprompts", rows=rows(PUBLISHED["realtoxicityprompts"][0]))
    policy = stored_model(name="base")
    with pytest.raises(InvalidInput, match="needs a toxicity classifier"):
        order_benchmarks(models=[policy], datasets=[dataset])
    judge = Model.objects.create(name="judge", kind=ModelKind.TOXICITY, folder=policy.folder)
    [run] = order_benchmarks(models=[policy], datasets=[dataset], classifier=judge)
    assert {given.name for given in run.inputs.all()} == {"policy", "dataset", "classifier"}


def test_an_order_of_which_one_run_cannot_be_queues_none() -> None:
    policy = stored_model(name="base")
    judge = Model.objects.create(name="reward", kind=ModelKind.REWARD, folder=policy.folder)
    with pytest.raises(ConfigError, match="reward"):
        order_benchmarks(models=[policy, judge], datasets=[own()])
    assert not Run.objects.exists()
    assert not AuditEvent.objects.filter(action__in=("create_run", "order_benchmarks")).exists()


def test_a_wrong_setting_is_refused_before_anything_is_queued() -> None:
    with pytest.raises(ConfigError, match="few_shot"):
        order_benchmarks(models=[stored_model(name="base")], datasets=[own()], settings={"few_shot": -1})
    with pytest.raises(InvalidInput, match="at least one policy"):
        order_benchmarks(models=[], datasets=[])
    assert not Run.objects.exists()
