"""The import commands: files good and bad, reports for people and machines, exit by outcome."""

import gzip
import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from django.core.management import CommandError, call_command
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as parquet_files

from labeling.errors import UnreadableFile
from labeling.models import Demonstration, Prompt, Ranking, Response
from labeling.rules import parquet_rows
from labeling.rules.row_files import MAX_LINE_BYTES, RowFile

pytestmark = pytest.mark.django_db


def run(command: str, *arguments: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command(command, *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def report_of(command: str, *arguments: object) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run(command, *arguments, "--json")[0])
    return report


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    parquet_files.write_table(pyarrow.table(columns), path, **options)
    return path


def test_prompts_come_in_and_the_command_says_how_many(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "p.jsonl", {"prompt": "One", "user_id": "u"}, {"prompt": "Two", "user_id": "u"})
    out, err = run("import_prompts", file, "--source", "api")
    assert out == "Read 2 prompts: 2 accepted.\n"
    assert err == ""
    assert set(Prompt.objects.values_list("source", "kind")) == {("api", "api")}


def test_each_bad_line_is_named_and_the_rest_goes_in(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes(
        b'\xef\xbb\xbf{"prompt": "First", "user_id": 1}\n'
        b"{broken\n"
        b"\n"
        b"[1, 2]\n"
        b'{"prompt": "a\\u0000b", "user_id": "u"}\n'
        b'{"prompt": "\xff", "user_id": "u"}\n'
        b'{"prompt": "\\ud800", "user_id": "u"}\n'
        b'{"prompt": "' + b"x" * MAX_LINE_BYTES + b'"}\n'
        b'{"prompt": NaN, "user_id": "u"}\n' + b"[" * 100_000 + b"\n"
        b'{"prompt": "Last", "user_id": "u"}'
    )
    report = report_of("import_prompts", file)
    assert (report["read"], report["accepted"]) == (10, 2)
    assert report["counts"] == {"malformed": 8, "accepted": 2}
    found = {refusal["line"]: refusal["detail"] for refusal in report["refusals"]}
    assert list(found) == [2, 4, 5, 6, 7, 8, 9, 10]
    for line, words in {
        2: "not JSON: Expecting property name",
        4: "this is list",
        5: "NUL character at position 1",
        6: "not UTF-8 at byte 13",
        7: "half a surrogate pair",
        8: "longer than 8 MiB",
        9: "NaN is not a JSON number",
        10: "nested too deeply",
    }.items():
        assert words in found[line]
    out, err = run("import_prompts", file)
    assert "line 2: malformed (not JSON" in err
    assert out == "Read 10 prompts: 8 malformed, 2 duplicate.\n"


def test_string_that_is_left_open_is_named_by_its_character(tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "left open\n{"prompt": "Good", "user_id": "u"}\n')
    [refusal] = report_of("import_prompts", file)["refusals"]
    assert refusal["detail"] == "not JSON: Invalid control character at character 22"


def test_strict_keeps_the_whole_file_out(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "p.jsonl", {"prompt": "Good", "user_id": "u"}, {"prompt": 5, "user_id": "u"})
    with pytest.raises(CommandError, match=r"Nothing went in: 1 of 2 lines .* line 2: malformed"):
        run("import_prompts", file, "--strict")
    assert not Prompt.objects.exists()


def test_csv_rows_may_span_lines_and_faults_are_named_by_line(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_bytes(
        b'prompt,user_id,tags,category\n"Two\nlines, ""quoted""",u1,"a;b",Chat\nshort,u1\n\n'
        b'tagged,u2,"{""a"": false}",\nbytes \xff,u3,,\n"never closed,u4,,\n'
    )
    report = report_of("import_prompts", file)
    assert report["counts"] == {"malformed": 3, "accepted": 2}
    assert [refusal["line"] for refusal in report["refusals"]] == [4, 7, 8]
    prompts = {prompt.text: prompt for prompt in Prompt.objects.all()}
    assert prompts['Two\nlines, "quoted"'].tags == {"a": True, "b": True}
    assert prompts['Two\nlines, "quoted"'].category == "chat"
    assert prompts["tagged"].tags == {"a": False}


def test_gzip_is_read_and_a_damaged_end_is_named(tmp_path: Path) -> None:
    rows = "".join(json.dumps({"prompt": f"Prompt {n} {hash(n)}", "user_id": n}) + "\n" for n in range(300))
    whole = tmp_path / "p.jsonl.gz"
    whole.write_bytes(gzip.compress(rows.encode()))
    assert report_of("import_prompts", whole)["accepted"] == 300
    Prompt.objects.all().delete()
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(whole.read_bytes()[:-400])
    report = report_of("import_prompts", cut)
    assert 0 < report["accepted"] < 300
    assert "damaged from here on" in report["refusals"][-1]["detail"]


def test_file_that_cannot_be_read_fails(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="is not a file"):
        run("import_prompts", tmp_path / "none.jsonl")
    (tmp_path / "p.xlsx").write_text("x")
    with pytest.raises(CommandError, match=r"must end in \.jsonl or \.csv"):
        run("import_prompts", tmp_path / "p.xlsx")
    with pytest.raises(CommandError, match="No line of bad"):
        run("import_prompts", jsonl(tmp_path / "bad.jsonl", {"prompt": 1}))
    for name, text in (("empty.jsonl", ""), ("blank.jsonl", "\n\n"), ("heading.csv", "prompt,user_id\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(CommandError, match="holds no rows"):
            run("import_prompts", tmp_path / name)


def test_settings_come_from_options(tmp_path: Path) -> None:
    rows = [{"prompt": f"Prompt number {n}", "user_id": "u"} for n in range(3)]
    assert report_of("import_prompts", jsonl(tmp_path / "a.jsonl", *rows), "--author-cap", 1)["counts"] == {
        "over_cap": 2, "accepted": 1
    }  # fmt: skip
    long = jsonl(tmp_path / "b.jsonl", {"prompt": "word " * 30, "user_id": "u"}, *rows)
    assert report_of("import_prompts", long, "--max-tokens", 20)["counts"] == {"duplicate": 3, "too_long": 1}


def test_other_imports_report_alike(tmp_path: Path) -> None:
    demonstrations = jsonl(tmp_path / "d.jsonl", {"prompt": "P", "response": "R"})
    responses = jsonl(tmp_path / "r.jsonl", {"prompt": "P", "policy": "m", "response": ""})
    rankings = jsonl(
        tmp_path / "k.jsonl", {"prompt": "P", "responses": ["a", "b"], "ranks": [1, 1], "labeler": "L"}
    )
    assert run("import_demonstrations", demonstrations)[0] == "Read 1 demonstrations: 1 accepted.\n"
    assert run("import_responses", responses)[0] == "Read 1 responses: 1 accepted.\n"
    assert run("import_rankings", rankings)[0] == "Read 1 rankings: 1 accepted.\n"
    assert Prompt.objects.count() == 1


def test_agreement_prints_a_figure_for_machines_and_one_for_people(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"P{n}", "responses": ["a", "b"], "ranks": [1, 2], "labeler": labeler}
        for n in range(3)
        for labeler in ("L1", "L2")
    ]
    run("import_rankings", jsonl(tmp_path / "k.jsonl", *rows))
    report = report_of("agreement")
    assert (report["value"], report["pairs"], report["tasks"], report["rankings"]) == (1.0, 3, 3, 6)
    assert set(report["modes"]) == {"strict", "half", "three_way"}
    out, _ = run("agreement")
    assert "100.0% (chance 50%" in out
    assert out.endswith("Compared 6 rankings of 3 tasks (3 pairs).\n")
    assert report_of("agreement", "--cohort", "held_out")["value"] is None
    for code in ("nonsense", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(CommandError, match="no batch"):
            run("agreement", "--batch", code)


@pytest.mark.real_data
def test_real_material_goes_in_whole(real_data: Path, tmp_path: Path) -> None:
    seeds = [json.loads(line) for line in (real_data / "seed_tasks.jsonl").read_text().splitlines()]
    tasks = [json.loads(line) for line in (real_data / "user_oriented.jsonl").read_text().splitlines()]

    def prompt(row: dict[str, Any]) -> str:
        return f"{row['instruction']}\n\n{row['input']}".strip()

    demonstrations = [{"prompt": prompt(row), "response": row["demonstration"]} for row in seeds]
    report = report_of("import_demonstrations", jsonl(tmp_path / "d.jsonl", *demonstrations))
    assert (report["read"], report["accepted"], report["counts"].get("too_long")) == (175, 174, 1)
    responses = [
        {"prompt": prompt(row), "policy": policy, "response": text, "user_id": row["application"]}
        for row in tasks
        for policy, text in row["outputs"].items()
    ]
    report = report_of("import_responses", jsonl(tmp_path / "r.jsonl", *responses))
    assert report["counts"] == {"accepted": 252 * 8}
    assert Response.objects.filter(text="").count() == 51
    report = report_of("import_rankings", real_data / "hh_harmless.jsonl.gz")
    assert report["counts"] == {"accepted": 2312}
    assert (Demonstration.objects.count(), Ranking.objects.count()) == (174, 2312)


def test_parquet_rows_come_in_like_lines_of_json(tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "r.parquet",
        {
            "prompt": ["Why is the sky blue?", "Say hello."],
            "responses": [
                [{"text": "Air scatters blue.", "policy": "a"}, {"text": "Magic.", "policy": None}],
                [{"text": "Hello.", "policy": "a"}, {"text": "Hi there.", "policy": "b"}],
            ],
            "ranks": [[1, 2], [1, 1]],
            "labeler": ["L1", None],
            "at": [datetime(2026, 11, 1, tzinfo=UTC)] * 2,
            "picture": [b"\x00\xff", None],
        },
    )
    report = report_of("import_rankings", file)
    assert (report["read"], report["accepted"], report["refusals"]) == (2, 2, [])
    first, second = Ranking.objects.order_by("pk")
    assert [(p.response.text, p.rank) for p in first.places.order_by("rank")] == [
        ("Air scatters blue.", 1),
        ("Magic.", 2),
    ]
    assert {place.rank for place in second.places.all()} == {1}
    assert report_of("import_rankings", file)["counts"] == {"duplicate": 2}


@pytest.mark.filterwarnings("ignore:Encountered key")
def test_of_a_name_that_a_map_has_twice_the_last_value_counts_as_in_json(tmp_path: Path) -> None:
    tags = pyarrow.array([[("long", True), ("long", False)]], pyarrow.map_(pyarrow.string(), pyarrow.bool_()))
    report_of(
        "import_prompts", parquet(tmp_path / "p.parquet", {"prompt": ["One"], "user_id": ["u"], "tags": tags})
    )
    file = jsonl(tmp_path / "p.jsonl")
    file.write_text('{"prompt": "Two", "user_id": "u", "tags": {"long": true, "long": false}}\n')
    report_of("import_prompts", file)
    assert list(Prompt.objects.values_list("tags", flat=True)) == [{"long": False}] * 2


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=20))
@settings(max_examples=300, deadline=None)
def test_parquet_file_with_any_bytes_changed_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("changed") / "p.parquet"
    rows = {"prompt": [f"Prompt {n}" for n in range(200)], "tags": [[{"name": "a"}]] * 200}
    data = bytearray(parquet(path, rows, row_group_size=80).read_bytes())
    for place, byte in changes:
        data[place % len(data)] = byte
    path.write_bytes(data)
    try:
        came_of_it = [line.fault if line.values is None else "read" for line in RowFile(path)]
    except UnreadableFile as error:
        came_of_it = [str(error)]
    assert all(came_of_it)


def test_parquet_rows_that_json_could_not_hold_are_named_by_their_number(tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "p.parquet",
        {
            "prompt": ["Good one", "a\x00b", "x" * (MAX_LINE_BYTES + 1), "Not a number", None],
            "user_id": ["u"] * 5,
            "weight": [0.5, 1.0, 1.0, float("nan"), 1.0],
        },
    )
    report = report_of("import_prompts", file)
    assert (report["read"], report["accepted"]) == (5, 1)
    found = {refusal["line"]: refusal["detail"] for refusal in report["refusals"]}
    assert list(found) == [2, 3, 4, 5]
    for line, words in {
        2: "NUL character",
        3: "longer than 8 MiB",
        4: "nan is not a JSON",
        5: "prompt",
    }.items():
        assert words in found[line]


def test_parquet_file_that_is_none_or_unfolds_into_all_memory_is_refused_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and then nothing of use")
    with pytest.raises(CommandError, match=r"p\.parquet is no Parquet file: Parquet magic bytes not found"):
        run("import_prompts", tmp_path / "p.parquet")
    long = {"prompt": [f"{n} " + "y" * 1000 for n in range(3000)], "user_id": ["u"] * 3000}
    file = parquet(tmp_path / "big.parquet", long)
    monkeypatch.setattr(parquet_rows, "MAX_GROUP_BYTES", 2**20)
    with pytest.raises(CommandError, match=r"a group of rows of \d MiB; allowed is 1\. Write it again"):
        run("import_prompts", file)
    smaller = parquet(tmp_path / "small.parquet", long, row_group_size=700)
    assert report_of("import_prompts", smaller)["read"] == 3000


def test_parquet_file_damaged_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    file = parquet(
        tmp_path / "p.parquet",
        {"prompt": [f"Prompt number {n}" for n in range(1000)], "user_id": [f"u{n}" for n in range(1000)]},
        row_group_size=500,
        compression="gzip",
    )
    second = parquet_files.ParquetFile(file).metadata.row_group(1).column(0)
    data = bytearray(file.read_bytes())
    start = second.dictionary_page_offset or second.data_page_offset
    data[start : start + second.total_compressed_size] = b"\xff" * second.total_compressed_size
    file.write_bytes(data)
    report = report_of("import_prompts", file)
    assert report["accepted"] == 500
    assert report["counts"] == {"accepted": 500, "malformed": 1}
    assert "the file is damaged from here on" in report["refusals"][0]["detail"]
