"""The quality pages: who may, empty, thin and full, hostile text, files, a fixed number of queries."""

import csv

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Batch, Labeler, Ranking, Task, User
from labeling.rules.comparisons import Judgement, record_ranking
from labeling.rules.csv_tables import safe_cell
from labeling.rules.quality_reports import refresh_reports
from tests.factories import qualified_labeler, ranked_batch

PAGES = ("agreement", "quality-labelers", "quality-items", "quality-ratings", "quality-drift")
TABLES = ("agreement", "pairs", "labelers", "items", "flags", "drift")


@pytest.fixture
def ranked(alice: Labeler, hana: Labeler) -> Batch:
    """Three labelers on fourteen tasks, now and then the other way round."""
    batch = ranked_batch(tasks=14, k=3)
    for number, task in enumerate(batch.tasks.all()):
        codes = [candidate.response.code for candidate in task.candidates.all()]
        for turn, labeler in enumerate((alice, hana)):
            ranks = [3, 2, 1] if turn and number % 5 == 0 else [1, 2, 2]
            judgements = [
                Judgement(code, rank, 8 - rank, {"fails_task": rank == 3}, note="<script>x</script>")
                for code, rank in zip(codes, ranks, strict=True)
            ]
            ranking = record_ranking(task=task, labeler=labeler, judgements=judgements)
            Ranking.objects.filter(pk=ranking.pk).update(
                shown_order=[str(code) for code in codes], seconds=90
            )
    return batch


def addresses(batch: Batch, labeler: Labeler) -> list[str]:
    task = batch.tasks.first()
    assert isinstance(task, Task)
    return [
        *(reverse(page) for page in PAGES),
        reverse("quality-labeler", args=[labeler.code]),
        reverse("quality-item", args=[task.code]),
        *(reverse("quality-table", args=[name]) for name in TABLES),
    ]


@pytest.mark.parametrize("page", PAGES)
def test_empty_pages_say_what_is_missing(client: Client, mia: User, page: str) -> None:
    client.force_login(mia)
    answer = client.get(reverse(page))
    assert answer.status_code == 200
    assert b'class="empty"' in answer.content


def test_staff_see_every_page_and_nobody_else_does(
    client: Client, ranked: Batch, alice: Labeler, mia: User, dana: User, olga: User, charlie: User
) -> None:
    for address in addresses(ranked, alice):
        client.logout()
        assert client.get(address).status_code == 302, address
        for outsider in (alice.user, charlie):
            client.force_login(outsider)
            assert client.get(address).status_code == 403, address
        for person in (mia, dana, olga):
            client.force_login(person)
            assert client.get(address).status_code == 200, address


def test_pages_are_read_from_kept_figures_in_few_queries(
    client: Client, ranked: Batch, alice: Labeler, mia: User, django_assert_max_num_queries: object
) -> None:
    refresh_reports()
    client.force_login(mia)
    for page in PAGES:
        with django_assert_max_num_queries(22):  # type: ignore[operator]  # a fixture without a type
            client.get(reverse(page))


def test_no_page_names_a_person(client: Client, ranked: Batch, alice: Labeler, dana: User) -> None:
    alice.user.name = "Alice Realname"
    alice.user.save()
    client.force_login(dana)
    for address in addresses(ranked, alice):
        answer = client.get(address)
        content = b"".join(answer) if answer.streaming else answer.content
        assert b"Alice Realname" not in content, address
        assert b"alice@example.org" not in content, address


def test_the_headline_stands_beside_the_papers_figures(client: Client, ranked: Batch, mia: User) -> None:
    client.force_login(mia)
    page = client.get(reverse("agreement")).content.decode()
    assert "72.6 %" in page
    assert "77.3 %" in page
    assert "L-ALICE" in page
    assert client.get(reverse("agreement") + "?ties=half").content.decode().count("aria-current") >= 3


def test_few_tasks_are_said_to_be_few(client: Client, mia: User, alice: Labeler) -> None:
    batch = ranked_batch(tasks=3, k=2)
    for task in batch.tasks.all():
        codes = [candidate.response.code for candidate in task.candidates.all()]
        for labeler in (alice, qualified_labeler()) if task == batch.tasks.first() else (alice,):
            record_ranking(
                task=task,
                labeler=labeler,
                judgements=[Judgement(code, n + 1) for n, code in enumerate(codes)],
            )
    client.force_login(mia)
    assert "1 task: too few to say" in client.get(reverse("agreement")).content.decode()


def test_a_disagreement_shows_each_order_and_no_markup_of_labelers(
    client: Client, ranked: Batch, mia: User, dana: User
) -> None:
    client.force_login(mia)
    listing = client.get(reverse("quality-items")).content.decode()
    task = ranked.tasks.first()
    assert task is not None
    assert reverse("quality-item", args=[task.code]) in listing
    page = client.get(reverse("quality-item", args=[task.code])).content.decode()
    assert "L-ALICE" in page
    assert "L-HANA" in page
    assert "<script>x" not in page
    assert "fails task" in page
    assert ">Gold<" not in page  # managers do not see references
    client.force_login(dana)
    assert ">Gold<" in client.get(reverse("quality-item", args=[task.code])).content.decode()


def test_tables_are_files_that_a_spreadsheet_can_read(client: Client, ranked: Batch, mia: User) -> None:
    client.force_login(mia)
    for name in TABLES:
        answer = client.get(reverse("quality-table", args=[name]))
        assert answer["Content-Disposition"] == f'attachment; filename="quality-{name}.csv"'
        rows = list(csv.reader(b"".join(answer).decode().splitlines()))
        assert len({len(row) for row in rows}) == 1, name
    assert client.get("/quality/nothing.csv").status_code == 404


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        (" =1", "' =1"),
        ("-x", "'-x"),
        ("@a", "'@a"),
        ("\t=1", "'\t=1"),
        (-0.5, -0.5),
        (None, ""),
    ],
)
def test_no_cell_is_a_formula(cell: object, written: object) -> None:
    assert safe_cell(cell) == written


def test_a_batch_named_as_a_formula_stays_text(client: Client, ranked: Batch, mia: User) -> None:
    Batch.objects.filter(pk=ranked.pk).update(name="=HYPERLINK(1)")
    client.force_login(mia)
    content = b"".join(client.get(reverse("quality-table", args=["items"]))).decode()
    assert "'=HYPERLINK(1)" in content


def test_a_labeler_without_rankings_has_a_page(client: Client, mia: User, alice: Labeler) -> None:
    client.force_login(mia)
    assert "No rankings yet" in client.get(reverse("quality-labeler", args=[alice.code])).content.decode()
