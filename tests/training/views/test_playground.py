"""The playground's pages: who may, what is shown, what is hidden, and that hostile words stay words."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import AuditEvent, Prompt, Role, User
from tests.factories import UserFactory, qualified_labeler
from tests.training.talks import answered, asked, conversation, notice, policy, researcher, trained_pair
from training.models import Conversation, Reply, ReplyState, Vote

pytestmark = pytest.mark.django_db

BLIND = Conversation.Mode.BLIND


@pytest.fixture
def dana(client: Client) -> User:
    user = researcher(email="dana@example.org")
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return user


@pytest.fixture(autouse=True)
def sent() -> Any:
    """No broker here: which turns a worker would have been woken for."""
    with patch("training.views.playground.enqueue_turn") as enqueue:
        yield enqueue


def test_sending_the_form_starts_a_conversation_and_wakes_a_worker(
    client: Client, dana: User, sent: Any
) -> None:
    notice()
    model = policy("p")
    form = {"mode": "open", "models": [model.code], "temperature": "0.5", "top_p": "0.9", "notice": "1"}
    answer = client.post(reverse("playground"), {**form, "consent": "keep", "prompt": "Name a bird."})
    given = Conversation.objects.get()
    assert answer["Location"] == reverse("playground-conversation", args=[given.code])
    assert (given.owner, given.temperature, given.top_p, given.max_tokens) == (dana, 0.5, 0.9, 64)
    assert Prompt.objects.get().notice_id == given.notice_id
    assert sent.call_args.args == (given.turns.get(),)
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {"start_conversation", "send_prompt"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"consent": ""}, "This field is required"),
        ({"prompt": " "}, "Write a prompt first"),
        ({"max_tokens": "500"}, "as p reads 128"),
        ({"models": []}, "choose 1 to 4"),
        ({"top_p": "0"}, "allowed is more than 0"),
    ],
)
def test_a_wrong_form_keeps_the_words_and_says_where(
    client: Client, dana: User, sent: Any, change: dict[str, Any], said: str
) -> None:
    model = policy("p")
    form = {"mode": "open", "models": [model.code], "temperature": "1", "top_p": "1", "consent": "leave"}
    answer = client.post(reverse("playground"), {**form, "prompt": "Name a bird.", **change})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said.lower() in page.lower()
    assert ("Name a bird." in page) is ("prompt" not in change)
    assert not sent.called


def test_an_empty_registry_says_so(client: Client, dana: User) -> None:
    assert "Nobody to talk to yet" in client.get(reverse("playground")).content.decode()


def test_a_missing_worker_is_said_on_both_pages(client: Client, dana: User) -> None:
    given = conversation(dana, policy("p"))
    asked(given)
    for address in (reverse("playground"), reverse("playground-conversation", args=[given.code])):
        assert "No worker for the playground is alive" in client.get(address).content.decode()


def test_progress_gives_what_is_new_and_all_of_a_new_attempt(client: Client, dana: User) -> None:
    given = conversation(dana, policy("p"))
    reply = asked(given).replies.get()
    rows = Reply.objects.filter(pk=reply.pk)
    rows.update(state=ReplyState.WRITING, text="Hello 🙂 you", attempt=2, heartbeat_at=timezone.now())
    address = reverse("playground-progress", args=[given.code])

    def news(at: str) -> tuple[int, str]:
        [told] = client.get(address, {"at": f"{reply.code}:{at}"}).json()["replies"]
        return told["start"], told["text"]

    assert news("2:0") == (0, "Hello 🙂 you")
    assert news("2:7") == (7, " you")
    assert news("1:7") == (0, "Hello 🙂 you")
    assert news("2:99") == (0, "Hello 🙂 you")
    assert news("x") == (0, "Hello 🙂 you")
    assert client.get(address).json()["is_moving"] is True
    rows.update(state=ReplyState.DONE)
    assert client.get(address).json()["is_moving"] is False


def test_a_silent_worker_stops_the_polling_and_offers_another_try(client: Client, dana: User) -> None:
    given = conversation(dana, policy("p"))
    asked(given)
    Reply.objects.update(
        state=ReplyState.WRITING, text="Half", heartbeat_at=timezone.now() - timedelta(minutes=1)
    )
    page = client.get(reverse("playground-conversation", args=[given.code])).content.decode()
    assert "Its worker has gone silent" in page
    assert "Try again" in page
    assert client.get(reverse("playground-progress", args=[given.code])).json()["is_moving"] is False


def test_hostile_words_stay_words_in_prompt_and_reply(client: Client, dana: User) -> None:
    given = conversation(dana, policy("p"))
    bad = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) \u202e"
    answered(given, bad, (bad,))
    for address in (reverse("playground"), reverse("playground-conversation", args=[given.code])):
        page = client.get(address).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript' not in page


def test_no_page_of_a_blind_conversation_names_a_policy_before_the_vote(client: Client, dana: User) -> None:
    given = conversation(dana, *trained_pair(), mode=BLIND)
    answered(given)
    for name in ("playground-conversation", "playground-progress"):
        page = client.get(reverse(name, args=[given.code])).content.decode()
        assert "sft-1" not in page
        assert "ppo-1" not in page
        assert "tokens, first" not in page
    client.post(reverse("playground-vote", args=[given.code]), {"choice": "B"})
    page = client.get(reverse("playground-conversation", args=[given.code])).content.decode()
    assert "You found B better." in page
    assert "sft-1" in page
    assert Vote.objects.get().winner is not None


def test_a_labeler_never_learns_a_name(client: Client, settings: Any) -> None:
    settings.PLAYGROUND_FOR_LABELERS = True
    notice()
    trained_pair()
    labeler = qualified_labeler()
    client.force_login(labeler.user, backend="django.contrib.auth.backends.ModelBackend")
    form = client.get(reverse("playground")).content.decode()
    assert "ppo-1" not in form
    client.post(reverse("playground"), {"prompt": "Name a bird.", "consent": "keep", "notice": "1"})
    given = Conversation.objects.get()
    assert given.mode == BLIND
    Reply.objects.update(state=ReplyState.DONE, text="A robin.")
    client.post(reverse("playground-vote", args=[given.code]), {"choice": "tie"})
    for address in (reverse("playground"), reverse("playground-conversation", args=[given.code])):
        page = client.get(address).content.decode()
        assert "ppo-1" not in page
        assert "sft-1" not in page
    assert Vote.objects.count() == 1
    assert client.get(reverse("playground-votes")).status_code == 403


def test_labelers_stay_outside_by_default(client: Client) -> None:
    client.force_login(qualified_labeler().user, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(reverse("playground")).status_code == 403


def test_nobody_opens_the_conversation_of_another(client: Client, dana: User) -> None:
    given = conversation(researcher(), policy("p"))
    reply = asked(given).replies.get()
    for name in ("conversation", "progress", "notice"):
        assert client.get(reverse(f"playground-{name}", args=[given.code])).status_code == 404
    for name, code in (
        ("stop", given.code),
        ("vote", given.code),
        ("erase", given.code),
        ("retry", reply.code),
    ):
        assert client.post(reverse(f"playground-{name}", args=[code])).status_code == 404
    assert (
        client.post(reverse("playground-conversation", args=[given.code]), {"prompt": "x"}).status_code == 404
    )


def test_the_next_prompt_stop_retry_and_delete(client: Client, dana: User, sent: Any) -> None:
    given = conversation(dana, policy("p"))
    answered(given)
    page = reverse("playground-conversation", args=[given.code])
    answer = client.post(page, {"prompt": "And now?", "number": "2"})
    assert answer["Location"] == f"{page}#turn-2"
    again = client.post(page, {"prompt": "And now?", "number": "2"})
    assert again.status_code == 422
    assert "And now?" in again.content.decode()
    client.post(reverse("playground-stop", args=[given.code]))
    reply = Reply.objects.get(turn__number=2)
    assert reply.state == ReplyState.CANCELLED
    client.post(reverse("playground-retry", args=[reply.code]))
    assert sent.call_count == 2
    client.post(reverse("playground-erase", args=[given.code]))
    assert "And now?" not in client.get(page).content.decode()
    assert client.post(page, {"prompt": "More?"}).status_code == 422


def test_a_changed_notice_is_shown_and_agreed_to_with_the_next_prompt(client: Client, dana: User) -> None:
    first = notice()
    given = conversation(dana, policy("p"), consent=1)
    type(first).objects.create(version=2, body="We also **publish** prompts.")
    page = reverse("playground-conversation", args=[given.code])
    assert "<strong>publish</strong>" in client.get(page).content.decode()
    assert client.post(page, {"prompt": "Name a bird."}).status_code == 422
    assert client.post(page, {"prompt": "Name a bird.", "consent": "2"}).status_code == 302
    assert Prompt.objects.get().notice is not None
    assert Prompt.objects.get().notice.version == 2  # type: ignore[union-attr]


def test_votes_page_shows_shares_only_with_enough(client: Client, dana: User, settings: Any) -> None:
    assert "No votes yet" in client.get(reverse("playground-votes")).content.decode()
    settings.PLAYGROUND_VOTES_SHOWN = 2
    given = conversation(dana, *trained_pair(), mode=BLIND)
    answered(given)
    client.post(reverse("playground-vote", args=[given.code]), {"choice": "A"})
    assert "too few votes" in client.get(reverse("playground-votes")).content.decode()


def test_pages_take_few_queries(client: Client, dana: User, django_assert_max_num_queries: Any) -> None:
    settings_models = trained_pair()
    for _ in range(3):
        given = conversation(dana, *settings_models)
        for at in range(2):
            answered(given, f"Prompt {at}.")
    for address in (
        reverse("playground"),
        reverse("playground-conversation", args=[given.code]),
        reverse("playground-votes"),
    ):
        with django_assert_max_num_queries(16):
            client.get(address)
    with django_assert_max_num_queries(9):
        client.get(reverse("playground-progress", args=[given.code]))


def test_managers_talk_too_without_links_they_may_not_follow(client: Client) -> None:
    manager = UserFactory.create(role=Role.MANAGER)
    client.force_login(manager, backend="django.contrib.auth.backends.ModelBackend")
    given = conversation(manager, policy("p"))
    answered(given)
    page = client.get(reverse("playground-conversation", args=[given.code])).content.decode()
    assert "/models/" not in page
