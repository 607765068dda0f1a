"""A folder of harness tasks as a researcher would write them."""

import json
from pathlib import Path
from typing import Any

ROWS: list[dict[str, Any]] = [
    {"question": f"the capital of {land}", "cities": [city, "Nowhere"], "answer": 0}
    for land, city in (("France", "Paris"), ("Italy", "Rome"), ("Spain", "Madrid"))
]
SOLVED: list[dict[str, Any]] = [{"question": "the capital of Peru", "cities": ["Lima", "Oslo"], "answer": 0}]
CAPITALS = """\
task: capitals
dataset_path: json
dataset_kwargs:
  data_files: {test: capitals.jsonl, train: solved.jsonl}
test_split: test
fewshot_split: train
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: "{{cities}}"
doc_to_target: answer
"""
WRITTEN = """\
task: written
dataset_path: json
dataset_kwargs:
  data_files: {test: capitals.jsonl}
validation_split: test
output_type: generate_until
doc_to_text: "Q: {{question}}"
doc_to_target: "{{cities[answer]}}"
generation_kwargs: {until: "\\n\\n"}
metric_list:
  - metric: exact_match
    ignore_case: true
  - metric: bleu
filter_list:
  - name: whole
    filter: [{function: take_first}]
  - name: word
    filter: [{function: regex, regex_pattern: "(\\\\w+)"}, {function: take_first}]
"""


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_tasks(folder: Path, **texts: str) -> Path:
    """Write the rows, and a YAML file of each text under its name."""
    folder.mkdir(exist_ok=True)
    write_rows(folder / "capitals.jsonl", ROWS)
    write_rows(folder / "solved.jsonl", SOLVED)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder
