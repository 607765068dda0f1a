"""Replies written by the real process on a tiny model: whole, once, and true about what happened."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.utils import timezone

from tests.training.real_worker import environment_of
from tests.training.talks import asked, conversation, policy, researcher, trained_pair
from training import tasks
from training.models import Model, Reply, ReplyState, Turn, Worker
from training.rules import artifacts, playground, playground_process, playground_writing
from training.rules.playground_writing import answer_turn, claim_replies, recover_replies, update_claimed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_process() -> Iterator[None]:
    yield
    playground_process.end_writer()


def one_reply(**fields: Any) -> tuple[Turn, Reply]:
    turn = asked(conversation(researcher(), policy("p"), **fields))
    return turn, turn.replies.get()


def until(is_so: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def test_both_sides_are_answered_and_delivered_twice_the_second_does_nothing() -> None:
    turn = asked(conversation(researcher(), *trained_pair()))
    assert answer_turn(turn.code, worker="w") == 2
    first = list(turn.replies.values_list("state", "text", "tokens", "attempt"))
    assert {state for state, *_ in first} <= {ReplyState.DONE, ReplyState.CUT}
    assert all(text and 0 < tokens <= 20 and attempt == 1 for _, text, tokens, attempt in first)
    assert answer_turn(turn.code, worker="w") == 0
    assert list(turn.replies.values_list("state", "text", "tokens", "attempt")) == first


def test_a_reply_at_the_length_limit_says_that_it_was_cut() -> None:
    turn, _ = one_reply(max_tokens=3, temperature=0)
    answer_turn(turn.code)
    reply = turn.replies.get()
    assert (reply.state, reply.tokens) == (ReplyState.CUT, 3)


def test_a_further_turn_takes_the_same_warm_process() -> None:
    turn, _ = one_reply()
    answer_turn(turn.code)
    process = playground_process.warm_writer().process.pid
    later = asked(turn.conversation, "and blue")
    answer_turn(later.code)
    assert later.replies.get().is_ended
    assert playground_process.warm_writer().process.pid == process


def test_text_grows_in_the_row_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playground_writing, "WRITE_SECONDS", 0.0)
    turn, reply = one_reply(max_tokens=100, temperature=1.0)
    seen: list[str] = []
    update = playground_writing.update_claimed

    def noting(given: Reply, **values: Any) -> bool:
        seen.append(values.get("text", ""))
        return update(given, **values)

    monkeypatch.setattr(playground_writing, "update_claimed", noting)
    answer_turn(turn.code)
    reply.refresh_from_db()
    grown = [text for text in seen if text]
    assert len(set(grown)) > 3
    # An untrained policy writes bytes that are no character; what stands before one is never taken back.
    assert all(reply.text.startswith(text.partition("\ufffd")[0]) for text in grown)
    assert reply.first_text_at is not None
    assert reply.finished_at is not None


def test_a_reply_stopped_by_its_owner_keeps_its_words_and_the_worker_lets_go() -> None:
    turn, reply = one_reply(max_tokens=120)
    [claimed] = claim_replies(turn, worker="w")
    assert update_claimed(claimed, text="So far")
    playground.cancel_replies(conversation=turn.conversation, by=turn.conversation.owner)
    assert not update_claimed(claimed, text="So far and more")
    reply.refresh_from_db()
    assert (reply.state, reply.text) == (ReplyState.CANCELLED, "So far")


def test_a_late_worker_writes_nothing_into_a_later_attempt() -> None:
    turn, reply = one_reply()
    [late] = claim_replies(turn, worker="first")
    Reply.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert recover_replies() == []
    playground.retry_reply(reply=reply, by=turn.conversation.owner)
    [newer] = claim_replies(turn, worker="second")
    assert not update_claimed(late, text="old words")
    assert update_claimed(newer, text="new words")
    assert Reply.objects.get().text == "new words"


def test_deleted_weights_fail_one_side_with_a_sentence_and_the_other_is_answered() -> None:
    before, after = trained_pair()
    turn = asked(conversation(researcher(), before, after))
    artifacts.delete(before.folder)
    Model.objects.filter(pk=before.pk).update(weights_deleted_at=timezone.now())
    answer_turn(turn.code)
    failed, done = turn.replies.order_by("side__position")
    assert (failed.state, failed.reason) == (
        ReplyState.FAILED,
        "The weights of this policy are not there any more.",
    )
    assert done.state in (ReplyState.DONE, ReplyState.CUT)


def test_a_process_that_dies_fails_the_reply_and_the_next_one_is_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(playground_process, "command", lambda: [sys.executable, "-c", "raise SystemExit(9)"])
        turn, reply = one_reply()
        answer_turn(turn.code)
    reply.refresh_from_db()
    assert (reply.state, reply.reason) == (ReplyState.FAILED, playground_writing.MACHINE_GONE)
    playground.retry_reply(reply=reply, by=turn.conversation.owner)
    answer_turn(turn.code)
    reply.refresh_from_db()
    assert reply.state in (ReplyState.DONE, ReplyState.CUT)
    assert reply.attempt == 2


def test_a_process_that_hangs_is_ended_in_time(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PLAYGROUND_SECONDS = 0.3
    monkeypatch.setattr(playground_process, "command", lambda: [sys.executable, "-c", "input(); input()"])
    turn, reply = one_reply()
    answer_turn(turn.code)
    reply.refresh_from_db()
    assert reply.state == ReplyState.FAILED
    assert "longer than" in reply.reason


def test_the_process_ends_with_whoever_started_it() -> None:
    program = (
        "import django, os; django.setup(); from training.rules.playground_process import Writer;"
        "print(Writer().process.pid, flush=True); import time; time.sleep(600)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "server.settings.test"}
    environment["DATABASE_URL"] = environment_of(django_settings)["DATABASE_URL"]
    owner = subprocess.Popen(
        [sys.executable, "-c", program], cwd=django_settings.BASE_DIR, env=environment, stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    until(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


def test_replies_that_nobody_took_are_sent_again_and_given_up_at_last() -> None:
    turn, reply = one_reply()
    assert recover_replies() == [turn]
    playground_writing.mark_sent(turn)
    assert recover_replies() == []
    Turn.objects.update(sent_at=timezone.now() - timedelta(seconds=31))
    assert recover_replies() == [turn]
    Reply.objects.update(queued_at=timezone.now() - timedelta(minutes=11))
    assert recover_replies() == []
    reply.refresh_from_db()
    assert reply.state == ReplyState.FAILED
    assert "No worker took it" in reply.reason


def test_two_workers_share_a_turn_without_doubling_anything() -> None:
    turn, _ = one_reply()
    counts: list[int] = []

    def work() -> None:
        try:
            counts.append(len(claim_replies(turn, worker="w")))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == [0, 0, 0, 1]
    assert Reply.objects.get().attempt == 1


@pytest.fixture
def start_worker(settings: Any, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Start real Celery workers of the playground's queue, on this test's database and store."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "--app", "server", "worker", "--queues", "playground"]
        command += ["--concurrency", "1", "--loglevel", "INFO", "--hostname", f"playground{len(started)}@%h"]
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=django_settings.BASE_DIR, env=environment_of(settings), stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.mark.slow
def test_a_killed_worker_leaves_a_reply_that_says_so_and_another_answers(
    start_worker: Callable[[], subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = policy("slow")
    turn = asked(conversation(researcher(), slow, max_tokens=120, temperature=1.0))
    first = start_worker()
    tasks.enqueue_turn(turn)
    tasks.enqueue_turn(turn)  # delivered twice
    until(lambda: Reply.objects.exclude(state=ReplyState.QUEUED).exists())
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    reply = Reply.objects.get()
    if not reply.is_ended:  # it was killed in the middle
        Reply.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
        assert Reply.objects.get().is_silent()
        recover_replies()
        reply = Reply.objects.get()
        assert reply.state == ReplyState.FAILED
        assert "stopped in the middle" in reply.reason
    else:
        Reply.objects.update(state=ReplyState.FAILED)
    playground.retry_reply(reply=reply, by=turn.conversation.owner)
    start_worker()
    tasks.enqueue_turn(turn)
    until(lambda: Reply.objects.get().is_ended)
    reply = Reply.objects.get()
    log = (tmp_path / "worker.log").read_text(errors="replace")[-3000:]
    assert reply.state in (ReplyState.DONE, ReplyState.CUT), f"{reply.reason}\n{log}"
    assert reply.attempt == 2
    assert reply.worker.startswith("playground1@")
    assert Worker.objects.filter(name__startswith="playground1@").exists()
    first_text_seconds = (reply.first_text_at - reply.queued_at).total_seconds()  # type: ignore[operator]
    assert first_text_seconds < 120
