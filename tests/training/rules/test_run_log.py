"""The log of a run: copied once, read from a cursor on, and harmless however it was written."""

from pathlib import Path

import pytest

from tests.training.factories import sft_run
from training.models import LogPiece, Run
from training.rules import run_log
from training.rules.run_log import LogTail, clean_lines, newest_part, part_after, whole_log

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> Run:
    return sft_run()


def write(folder: Path, data: bytes) -> None:
    with (folder / "log.txt").open("ab") as file:
        file.write(data)


def test_lines_are_copied_once_they_are_whole_and_read_from_a_cursor_on(run: Run, tmp_path: Path) -> None:
    tail = LogTail(run, tmp_path)
    assert tail.copy() == 0
    write(tmp_path, b"one\ntwo\nthr")
    tail.copy()
    first = newest_part(run)
    assert first.lines == ["one", "two"]
    write(tmp_path, b"ee\n")
    tail.copy()
    second = part_after(run, first.cursor)
    assert (second.lines, second.has_more) == (["three"], False)
    assert part_after(run, second.cursor).lines == []
    write(tmp_path, b"no line end")
    tail.copy(is_last=True)
    assert part_after(run, second.cursor).lines == ["no line end"]
    assert "".join(whole_log(run)) == "one\ntwo\nthree\nno line end"


def test_another_worker_goes_on_where_the_last_one_stopped(run: Run, tmp_path: Path) -> None:
    write(tmp_path, b"one\n")
    LogTail(run, tmp_path).copy()
    write(tmp_path, b"two\n")
    LogTail(run, tmp_path).copy()
    assert "".join(whole_log(run)) == "one\ntwo\n"


def test_a_line_without_end_is_taken_in_pieces_and_shown_short(run: Run, tmp_path: Path) -> None:
    write(tmp_path, b"x" * 300_000 + b"\nafter\n")
    LogTail(run, tmp_path).copy()
    assert len("".join(whole_log(run))) == 300_007
    shown = clean_lines("y" * 5000)[0]
    assert shown.startswith("yyy")
    assert shown.endswith("… 3,000 more characters")


def test_what_terminals_do_is_done_and_control_characters_go() -> None:
    text = (
        "\x1b[31mred\x1b[0m\n"
        " 1%|#    |\r 50%|##   |\r100%|#####|\n"
        "\x1b]0;a title\x07plain\x00\x08\n"
        "win\r\nend\u202egnirts\n"
        "<script>alert(1)</script>\n"
    )
    assert clean_lines(text) == [
        "red",
        "100%|#####|",
        "plain",
        "win",
        "endgnirts",
        "<script>alert(1)</script>",
    ]


def test_bytes_that_are_no_text_are_kept_as_marks(run: Run, tmp_path: Path) -> None:
    write(tmp_path, b"\xff\xfe and \x00\n")
    LogTail(run, tmp_path).copy()
    assert newest_part(run).lines == ["\ufffd\ufffd and \ufffd"]


def test_a_log_without_end_keeps_its_newest_pieces(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log, "KEPT_BYTES", 200_000)
    tail = LogTail(run, tmp_path)
    for number in range(10):
        write(tmp_path, (f"{number} " + "z" * 50_000 + "\n").encode())
        tail.copy()
    kept = "".join(whole_log(run))
    assert len(kept) <= 260_000
    assert "9 zzz" in kept
    assert "0 zzz" not in kept
    assert LogPiece.objects.filter(run=run).count() <= 5
