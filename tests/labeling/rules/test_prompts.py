"""Intake of prompts: what is taken, held, refused, and how it is split."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import StrictImport
from labeling.models import Intake, Prompt, Refusal, Split
from labeling.rules import intake as intakes
from labeling.rules.author_caps import CapChange, apply_author_cap
from labeling.rules.prompts import IntakeSettings, author_key_of, import_prompts, prefix_key_of, split_of
from labeling.rules.texts import comparable, normalize

LONG = (
    "Summarise the following report for a reader who has no time, in three short points, without jargon. " * 3
)


def row(prompt: Any, user_id: Any = "u1", **fields: Any) -> dict[str, Any]:
    return {"prompt": prompt, "user_id": user_id, **fields}


def take(*rows: Any, **fields: Any) -> Intake:
    return import_prompts(rows=rows, **fields)


def reasons(intake: Intake) -> dict[int, str]:
    return dict(intake.refusals.values_list("line", "reason"))


@pytest.mark.django_db
def test_prompt_is_stored_normalised_with_what_the_row_says() -> None:
    intake = take(
        row(
            "\ufeff Cafe\u0301 one\r\ntwo   three  ",
            category="Open QA",
            kind="few-shot",
            id=7,
            tags=["Closed domain"],
            created_at="2026-01-02T03:04:05+01:00",
        )
    )
    assert intake.counts == {"accepted": 1}
    prompt = Prompt.objects.get()
    assert prompt.text == "Café one\ntwo   three"
    assert (prompt.category, prompt.kind, prompt.external_id) == ("open_qa", "few_shot", "7")
    assert prompt.tags == {"closed_domain": True}
    assert prompt.written_at is not None
    assert prompt.written_at.isoformat() == "2026-01-02T02:04:05+00:00"
    assert prompt.words == 4
    assert prompt.author_key == author_key_of("u1")
    assert "u1" not in prompt.author_key
    assert prompt.split == split_of(prompt.author_key)


@pytest.mark.django_db
def test_every_line_is_counted_once() -> None:
    intake = take(
        row("Tell me a joke."),
        row("Tell me  a joke."),
        row(" "),
        row(None),
        row(5),
        row("nobody", user_id=None),
        row("a\x00b"),
        row("word " * 800),
        row("x", category="poetry"),
        row("x", kind="verse"),
        row("x", tags=3),
        row("x", created_at="yesterday"),
        row("x", parent="unheard of"),
        "not a row",
        row("x" * 121, id="y" * 121),
    )
    assert intake.read == 15 == sum(intake.counts.values())
    assert intake.counts == {"malformed": 11, "accepted": 1, "duplicate": 1, "empty": 1, "too_long": 1}
    assert reasons(intake)[2] == "duplicate"
    assert set(range(2, 16)) == set(reasons(intake))
    assert all(refusal.detail for refusal in Refusal.objects.all())


@pytest.mark.django_db
def test_duplicates_are_found_in_the_file_and_in_the_database() -> None:
    take(row("One prompt"))
    intake = take(row("One  prompt "), row("Another prompt"), row("Another prompt", user_id="u2"))
    assert reasons(intake) == {1: "duplicate", 3: "duplicate"}
    assert Prompt.objects.count() == 2


@pytest.mark.django_db
def test_long_common_prefix_counts_as_one_prompt() -> None:
    take(row(LONG + "Report A"))
    intake = take(
        row(LONG.upper() + "REPORT B"),
        row(LONG[:150]),
        row(LONG[:199] + "| just short of the threshold"),
        row(LONG[:199] + "| just short of the threshold, again and again"),
    )
    assert reasons(intake) == {1: "long_common_prefix", 4: "long_common_prefix"}
    assert prefix_key_of("short", 200) == ""


@pytest.mark.django_db
def test_few_shot_siblings_share_author_and_split_and_may_share_a_prefix() -> None:
    intake = take(
        row(LONG + "1", id="root", kind="few_shot"),
        row(LONG + "2", user_id="u2", parent="root", kind="few_shot"),
        row(LONG + "3", user_id="u3", id="leaf", parent="root", kind="few_shot"),
        row(LONG + "4", user_id="u4", parent="leaf", kind="few_shot"),
    )
    assert intake.counts == {"accepted": 4}
    root = Prompt.objects.get(external_id="root")
    assert Prompt.objects.filter(parent=root, author_key=root.author_key, split=root.split).count() == 3
    later = take(row(LONG + "5", user_id="u9", parent="root"))
    assert later.counts == {"accepted": 1}
    assert root.siblings.count() == 4


@pytest.mark.django_db
def test_prompts_over_an_authors_cap_are_held_and_can_be_lifted() -> None:
    settings = IntakeSettings(author_cap=2)
    intake = take(
        *(row(f"Prompt number {n}") for n in range(4)), row("Other", user_id="u2"), settings=settings
    )
    assert intake.counts == {"accepted": 3, "over_cap": 2}
    assert not intake.refusals.exists()
    assert Prompt.objects.usable().count() == 3
    assert take(row("Prompt number 9"), settings=settings).counts == {"over_cap": 1}
    assert apply_author_cap(4) == CapChange(held=0, lifted=2)
    assert apply_author_cap(1) == CapChange(held=3, lifted=0)
    assert Prompt.objects.usable().filter(author_key=author_key_of("u1")).get().text == "Prompt number 0"


@pytest.mark.django_db
def test_personal_data_is_found_kept_and_out_of_train() -> None:
    take(row("Mail bob@example.com about it", user_id="u1"))
    prompt = Prompt.objects.get()
    assert prompt.pii_spans == [[5, 20, "email"]]
    assert prompt.text[5:20] == "bob@example.com"
    Prompt.objects.update(split=Split.TRAIN)
    assert not Prompt.objects.trainable().exists()


@pytest.mark.django_db
def test_languages_are_stored_and_can_be_limited() -> None:
    german = "Bitte erkläre mir den Unterschied zwischen einem Vertrag und einer Vereinbarung."
    take(row(german), row("ok?"))
    assert list(Prompt.objects.values_list("language", flat=True)) == ["de", ""]
    english_only = IntakeSettings(languages=frozenset({"en"}))
    intake = take(
        row(german + "!"), row("2 + 2"), row("Please explain contracts to me."), settings=english_only
    )
    assert reasons(intake) == {1: "language"}


@pytest.mark.django_db
def test_strict_import_is_all_or_nothing_and_says_what_was_wrong() -> None:
    with pytest.raises(StrictImport, match="2 of 3 lines") as refusal:
        take(row("Fine"), row(5), row("Fine"), strict=True)
    assert not Prompt.objects.exists()
    intake = refusal.value.intake
    assert intake.counts == {"malformed": 1, "duplicate": 1, "withheld": 1}
    assert intake.read == 3
    assert reasons(intake) == {2: "malformed", 3: "duplicate"}
    assert take(row("Fine"), row("Good"), strict=True).counts == {"accepted": 2}


@pytest.mark.django_db
def test_many_rows_go_in_a_few_statements(django_assert_max_num_queries: Any) -> None:
    rows = [row(f"Prompt number {n} of many", user_id=f"u{n % 50}") for n in range(500)]
    with django_assert_max_num_queries(25):
        intake = take(*rows)
    assert intake.counts == {"accepted": 500}


@pytest.mark.django_db
def test_import_killed_in_the_middle_has_counted_what_went_in_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [row("  "), *(row(f"Prompt number {n} of a few") for n in range(7))]
    store = intakes._store_counts
    written: list[int] = []

    def store_until_killed(intake: Intake, total: intakes.Tally, read: int) -> None:
        written.append(read)
        if len(written) == 3:
            raise KeyboardInterrupt
        store(intake, total, read)

    with monkeypatch.context() as patch:
        patch.setattr(intakes, "LINES_AT_ONCE", 2)
        patch.setattr(intakes, "_store_counts", store_until_killed)
        with pytest.raises(KeyboardInterrupt):
            take(*rows)
    killed = Intake.objects.get()
    assert killed.finished_at is None
    assert killed.counts == {"accepted": 3, "empty": 1}
    assert (killed.read, Prompt.objects.count(), killed.refusals.count()) == (4, 3, 1)
    again = take(*rows)
    assert again.counts == {"accepted": 4, "duplicate": 3, "empty": 1}
    assert Prompt.objects.count() == 7


def test_split_is_stable_and_near_its_fractions() -> None:
    assert [split_of(f"author-{n}") for n in range(6)] == [split_of(f"author-{n}") for n in range(6)]
    counts = Counter(split_of(f"author-{n}") for n in range(5000))
    assert 0.78 < counts[Split.TRAIN] / 5000 < 0.82
    assert 0.085 < counts[Split.VALID] / 5000 < 0.115
    assert split_of("u_0000") == Split.TRAIN  # fixed for ever: a change moves people between splits


@given(st.text(min_size=1, max_size=300))
def test_any_text_has_one_comparable_form(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)
    assert comparable(normalize(text)) == comparable(text)
