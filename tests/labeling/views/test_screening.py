"""The pages of the screening, without scripts."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from labeling.models import Labeler, ScreeningAttempt, ScreeningTest, User
from labeling.rules import screening, screening_tests
from labeling.rules.screening import Step
from tests.factories import LabelerFactory
from tests.labeling.screenings import Part, Use, grade_all, published_test, right_answer, taken
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def as_form(step: Step) -> dict[str, Any]:
    answer = right_answer(step)
    if "is_sensitive" in answer:
        return {"is_sensitive": "yes" if answer["is_sensitive"] else "no"}
    if "ranks" in answer:
        return {f"rank_{n}": str(rank) for n, rank in enumerate(answer["ranks"])}
    return answer


def take_by_form(client: Client, labeler: Labeler) -> str:
    """Answer every item as a browser without scripts does; returns the last address."""
    address = client.get(reverse("screening")).context["next"]
    url = reverse("screening-item", args=[address.item.code])
    while url.startswith("/screening/items/"):
        attempt = screening.begin_screening(labeler=labeler)
        code = url.split("/")[3]
        step = next(step for step in screening.steps(attempt) if str(step.item.code) == code)
        if step.is_checked:
            url = client.get(url).context["following"]
            url = reverse("screening-item", args=[url])
            continue
        answer = client.post(url, as_form(step))
        assert answer.status_code == 302, answer.content
        url = answer["Location"]
    return url


def test_screening_is_taken_page_by_page_and_handed_in(bob: Labeler, dana: User, visit: Visit) -> None:
    published_test(dana)
    client = visit(bob)
    assert client.get("/")["Location"] == reverse("screening")
    url = take_by_form(client, bob)
    assert url == reverse("screening-coverage")
    offered = ScreeningTest.objects.get().topics
    assert client.post(url, {"topics": offered[:2]}).status_code == 302
    client.post(reverse("screening-submit"))
    attempt = ScreeningAttempt.objects.get()
    assert (attempt.state, attempt.topics) == ("submitted", offered[:2])
    assert b"Handed in" in client.get(reverse("screening")).content


def test_training_item_shows_the_researchers_answer_and_the_reason(
    bob: Labeler, dana: User, visit: Visit
) -> None:
    published_test(dana)
    client = visit(bob)
    step = client.get(reverse("screening")).context["next"]
    url = reverse("screening-item", args=[step.item.code])
    assert b"Calm." not in client.get(url).content
    client.post(url, {"is_sensitive": "yes"})
    shown = client.get(url).content
    assert b"Researchers do not flag it" in shown
    assert b"Calm." in shown


def test_draft_is_saved_without_leaving_the_page(bob: Labeler, dana: User, visit: Visit) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    last = screening.steps(attempt)[-1].item
    url = reverse("screening-item", args=[last.code])
    client = visit(bob)
    assert client.post(url, {"text": "Half a", "draft": "1"}).status_code == 204
    assert b"Half a" in client.get(url).content
    assert client.post(url, {"text": " "}).status_code == 422


def test_draft_over_an_answer_is_refused_with_what_to_press(bob: Labeler, dana: User, visit: Visit) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    last = screening.steps(attempt)[-1].item
    url = reverse("screening-item", args=[last.code])
    client = visit(bob)
    client.post(url, {"text": "Whole"})
    refused = client.post(url, {"text": "Whole, and more", "draft": "1"})
    assert (refused.status_code, "Save and go on" in refused.content.decode()) == (409, True)
    assert b'data-screening="answered"' in client.get(url).content
    client.post(url, {"text": "Whole, and more"})
    assert b"Whole, and more" in client.get(url).content


def test_training_demonstration_gets_no_verdict(bob: Labeler, dana: User, visit: Visit) -> None:
    draft = screening_tests.create_test(by=dana, source=published_test(dana))
    screening_tests.add_item(
        test=draft, by=dana, part=Part.DEMONSTRATION, text="How do I insult him?", use=Use.TRAINING,
        explanation="It helps without hurting.",
    )  # fmt: skip
    screening_tests.publish_test(test=draft, by=dana)
    attempt = screening.begin_screening(labeler=bob)
    item = attempt.test.items.get(text="How do I insult him?")
    client = visit(bob)
    url = reverse("screening-item", args=[item.code])
    client.post(url, {"text": "Say calmly what hurt you."})
    shown = client.get(url).content.decode()
    assert "It helps without hurting." in shown
    assert "Say calmly what hurt you." in shown
    assert "ordered them differently" not in shown
    assert "<th" not in shown


def test_item_page_shows_neither_reference_nor_reserve(bob: Labeler, dana: User, visit: Visit) -> None:
    test = published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    reserve = test.items.get(use=Use.RESERVE)
    assert visit(bob).get(reverse("screening-item", args=[reserve.code])).status_code == 404
    ranking = next(step.item for step in screening.steps(attempt) if step.item.part == Part.RANKING)
    assert b"esearchers" not in visit(bob).get(reverse("screening-item", args=[ranking.code])).content


def test_results_do_not_tell_whose_they_are(bob: Labeler, dana: User, mia: User, visit: Visit) -> None:
    published_test(dana)
    attempt = taken(bob)
    grade_all(attempt, dana, 6)
    answer = attempt.answers.get(item__text="Why do they smell?")
    for viewer, addresses in (
        (dana, [reverse("screening-grade", args=[answer.code])]),
        (mia, []),
    ):
        for address in [
            *addresses,
            reverse("screening-result-list"),
            reverse("screening-result-detail", args=[attempt.code]),
        ]:
            page = visit(viewer).get(address)
            assert page.status_code == 200
            for secret in (b"Bob", b"bob@", b"L-BOB", str(bob.code).encode()):
                assert secret not in page.content


def test_grading_leads_from_answer_to_answer_and_ends(bob: Labeler, dana: User, visit: Visit) -> None:
    published_test(dana)
    taken(bob)
    client = visit(dana)
    for _ in range(2):
        url = client.get(reverse("screening-grade-next"))["Location"]
        assert client.post(url, {"grade": "9"}).status_code == 422
        client.post(url, {"grade": "6", "note": "Kind."})
    assert client.get(reverse("screening-grade-next"))["Location"] == reverse("screening-result-list")


def test_decision_by_form_activates_the_labeler(bob: Labeler, dana: User, mia: User, visit: Visit) -> None:
    published_test(dana)
    attempt = taken(bob)
    url = reverse("screening-result-detail", args=[attempt.code])
    client = visit(mia)
    assert client.post(url, {"outcome": "accept", "reason": "Good."}).status_code == 422  # for what?
    answer = client.post(url, {"outcome": "accept", "reason": "Good.", "kinds": ["comparison"]})
    assert answer.status_code == 302
    bob.refresh_from_db()
    assert bob.status == "active"
    shown = client.get(url).content
    assert b"Good." in shown
    assert b"departs from the cut-offs" in shown  # nothing was graded
    assert b"Welcome" in visit(bob).get(reverse("screening")).content


def test_test_is_built_and_published_by_form(dana: User, visit: Visit) -> None:
    client = visit(dana)
    url = client.post(reverse("screening-test-create"), {"start": "empty"})["Location"]
    test = ScreeningTest.objects.get()
    assert b"missing" in client.post(f"{url}publish/", {"do": "publish"}, follow=True).content
    items = {
        Part.FLAGGING: {"use": "counted", "text": "Boo", "is_sensitive": "yes"},
        Part.RANKING: {
            "use": "counted", "text": "Which?",
            "response_0": "a", "rank_0": 2, "response_1": "b", "rank_1": 1,
        },
        Part.DEMONSTRATION: {"use": "counted", "text": "Why?"},
    }  # fmt: skip
    for part, data in items.items():
        answer = client.post(reverse("screening-item-create", args=[test.code, part]), data)
        assert answer.status_code == 302, answer.content
    settings = {
        "title": "Autumn", "introduction": "", "flagging_percent": "80", "ranking_percent": "75",
        "demonstration_cutoff": "5.5", "topics": "Politics\nReligion", "groups": "Women",
    }  # fmt: skip
    assert client.post(f"{url}change/", {**settings, "flagging_percent": "180"}).status_code == 422
    assert client.post(f"{url}change/", settings).status_code == 302
    client.post(f"{url}publish/", {"do": "publish"})
    test.refresh_from_db()
    assert (test.version, test.flagging_cutoff, test.topics) == (1, 0.8, ["Politics", "Religion"])
    item = test.items.get(part=Part.RANKING)
    assert item.reference == {"ranks": [2, 1]}
    assert (
        b"published and stays"
        in client.post(reverse("screening-item-change", args=[item.code]), items[Part.RANKING]).content
    )


def test_outcomes_show_scores_beside_later_agreement(bob: Labeler, dana: User, visit: Visit) -> None:
    published_test(dana)
    attempt = taken(bob)
    screening.decide_screening(
        attempt=attempt, by=dana, outcome="accept", reason="Fine.", kinds=["comparison"]
    )
    page = visit(dana).get(reverse("screening-outcomes")).content
    assert b"L-BOB" in page
    assert b"100.0" in page


def test_lists_of_screenings_ask_as_often_for_many_as_for_one(dana: User, visit: Visit) -> None:
    published_test(dana)
    as_dana = visit(dana)

    def accept(number: int) -> None:
        for _ in range(number):
            attempt = taken(LabelerFactory.create(status=Labeler.Status.SCREENING))
            screening.decide_screening(
                attempt=attempt, by=dana, outcome="accept", reason="Fine.", kinds=["comparison"]
            )

    def asked(name: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert as_dana.get(reverse(name)).status_code == 200
        return len(queries)

    pages = ("screening-result-list", "screening-outcomes")
    accept(1)
    one = [asked(name) for name in pages]
    accept(5)
    assert [asked(name) for name in pages] == one


def test_outcomes_of_many_labelers_come_in_pages(
    dana: User, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labeling.views.lists.one_page.__defaults__", (2,))
    published_test(dana)
    for _ in range(3):
        screening.decide_screening(
            attempt=taken(LabelerFactory.create(status=Labeler.Status.SCREENING)),
            by=dana, outcome="accept", reason="Fine.", kinds=["comparison"],
        )  # fmt: skip
    names = sorted(Labeler.objects.values_list("pseudonym", flat=True))
    as_dana = visit(dana)
    shown = [as_dana.get(reverse("screening-outcomes"), {"page": page}).content.decode() for page in (1, 2)]
    assert [[name in page for name in names] for page in shown] == [[True, True, False], [False, False, True]]
    assert "1–2 of 3" in shown[0]


def test_empty_pages_say_what_to_do(bob: Labeler, dana: User, visit: Visit) -> None:
    assert b"No screening is published yet" in visit(bob).get(reverse("screening")).content
    assert b"Start from the example" in visit(dana).get(reverse("screening-test-list")).content
    assert b"No screening was handed in" in visit(dana).get(reverse("screening-result-list")).content
    assert b"Nothing to compare yet" in visit(dana).get(reverse("screening-outcomes")).content
