"""The client against a live server: a small loop, refusals, patience; and against the description."""

import inspect
import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from pyarrow import parquet

from clients.instructloop_client import CALLS, Client, InstructLoopError, Unreachable
from clients.instructloop_client.transport import PREFIX
from labeling.models import Role, User
from labeling.rules.prompt_sources import publish_notice
from tests.factories import UserFactory, qualified_labeler, ranked_batch, writing_batch
from tests.training.factories import demonstration, stored_model
from tests.training.talks import trained_pair
from training import tasks
from training.models import Reply, ReplyState, Run, RunState
from training.rules import run_execution

NOUNS = (
    "prompts", "datasets", "runs", "models", "rounds", "evaluations", "assignments", "benchmarks",
    "playground", "webhooks", "costs", "workers",
)  # fmt: skip
EXTRA = {("POST", "/tasks/next/")}


@pytest.fixture(autouse=True)
def nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda *given, **options: None)


@pytest.mark.django_db(transaction=True)
def test_a_labeler_labels_through_it(client_of: Callable[[User], Client]) -> None:
    alice = qualified_labeler()
    writing_batch(tasks=1)
    ranked_batch(tasks=1, k=3)
    client = client_of(alice.user)
    task = client.next_task("demonstration")
    assert task is not None
    assert task.prompt.startswith("Give")
    client.save_draft(task.code, {"text": "Go to"}, version=0)
    client.heartbeat(task.code, 20)
    receipt = client.submit(task.code, {"text": "Go to bed early."}, key="k-1")
    assert client.submit(task.code, {"text": "Go to bed early."}, key="k-1") == receipt
    assert client.next_task("demonstration") is None
    ranked = client.next_task("comparison")
    assert ranked is not None
    named = ranked.responses[1]["code"]
    report = client.report_response(ranked.code, named, "broken", "It stops in mid-word.")
    assert (report.response, report.reason, report.answer) == (named, "broken", "")
    with pytest.raises(InstructLoopError) as unknown:
        client.report_response(ranked.code, "00000000-0000-0000-0000-000000000001", "broken")
    assert unknown.value.status in (404, 422)
    places = [
        {"code": response["code"], "rank": at, "likert": 4, "flags": {}, "note": ""}
        for at, response in enumerate(ranked.responses, 1)
    ]
    assert client.submit(ranked.code, {"responses": places, "notes": ""}).revision == 1
    assert client.own_rounds() == []


@pytest.mark.django_db(transaction=True)
def test_a_labeler_reads_before_the_prompt_through_it(client_of: Callable[[User], Client]) -> None:
    ranked_batch(tasks=1, k=2, reads_first=True)
    client = client_of(qualified_labeler().user)
    task = client.next_task("comparison")
    assert task is not None
    assert (task.prompt, task.form, task.awaits_readings) == ("", None, True)
    first, second = (response["code"] for response in task.responses)
    read = client.store_readings(
        task.code, [{"code": first, "text": "A tip"}, {"code": second, "cannot_tell": True}]
    )
    assert read.prompt.startswith("Give")
    assert [each["text"] for each in read.readings] == ["A tip", ""]


@pytest.mark.django_db(transaction=True)
def test_a_researcher_goes_from_labels_to_a_run_through_it(
    client_of: Callable[[User], Client], trainer: Callable[[Any], None]
) -> None:
    dana = UserFactory.create(role=Role.RESEARCHER)
    client = client_of(dana)
    made = [demonstration() for _ in range(3)]
    dataset = client.freeze_dataset("sft", name="first")
    assert (dataset.rows, dataset.counts) == (3, {"train": 3})
    assert [row.code for row in client.datasets(kind="sft")] == [dataset.code]
    assert len(client.records(dataset.code, count=2)) == 2
    assert {record["id"] for record in client.download_part(dataset.code)} == {str(row.code) for row in made}
    file = b"".join(client.download_parquet(dataset.code))
    assert parquet.read_table(io.BytesIO(file)).num_rows == 3
    base = stored_model(name="base")
    run = client.start_run(
        "sft", shipped="tiny_sft", inputs={"policy": "base", "dataset": dataset.code}, model_name="sft-mine"
    )
    assert (run.state, run.has_ended) == ("queued", False)
    trainer({"points": [[1, {"loss/sft": 2.0}]], "says": "hello"})
    run_execution.execute_run(Run.objects.get().code)
    done = client.wait_for_run(run.code)
    assert (done.state, done.has_ended) == ("finished", True)
    assert client.points(run.code)["metrics"]["loss/sft"] == [[1.0, 2.0]]
    assert "hello" in client.log(run.code)["lines"]
    model = client.model(str(done.model))
    assert (model.name, model.kind) == ("sft-mine", "sft")
    assert model.lineage["sources"][0]["name"] == "base"
    assert {row.name for row in client.models()} == {"base", "sft-mine"}
    assert client.prompt_seen_by(made[0].prompt.code)["models"][0]["name"] == "sft-mine"
    theirs = client.labeler_seen_by(made[0].labeler.code)
    assert [(row["name"], row["is_direct"]) for row in theirs["models"]] == [("sft-mine", True)]
    assert theirs["datasets"][0]["records"] == 1
    opened = client.open_round(base_model=base.code, name="One")
    assert client.round(opened.code).next_step is not None
    assert [row.code for row in client.rounds()] == [opened.code]
    with pytest.raises(InstructLoopError) as refused:
        client.do_step(opened.code, "ppo")
    assert refused.value.status == 409
    assert list(client.evaluations()) == []


@pytest.mark.django_db(transaction=True)
def test_a_run_is_watched_and_cancelled(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.RESEARCHER))
    demonstration()
    dataset = client.freeze_dataset("sft")
    stored_model(name="base")
    run = client.start_run("sft", shipped="tiny_sft", inputs={"policy": "base", "dataset": dataset.code})
    assert client.cancel_run(run.code).state == RunState.CANCELLED
    assert [seen.state for seen in client.watch_run(run.code)] == ["cancelled"]
    assert client.retry_run(run.code).state == "queued"
    assert [row.code for row in client.runs(state="queued")] == [run.code]


@pytest.mark.django_db(transaction=True)
def test_lists_are_read_page_by_page(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.RESEARCHER))
    rows = [demonstration().prompt for _ in range(5)]
    found = [prompt.code for prompt in client.prompts(limit=2, split="train")]
    assert found == [str(row.code) for row in reversed(rows)]


@pytest.mark.django_db(transaction=True)
def test_refusals_are_errors_with_code_message_and_fields(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.RESEARCHER))
    stored_model(name="base")
    with pytest.raises(InstructLoopError) as wrong:
        client.start_run("sft", inputs={}, config={"sft": {"epochz": 1}})
    assert wrong.value.status == 422
    assert wrong.value.message
    stranger = client_of(UserFactory.create())
    with pytest.raises(InstructLoopError) as unknown:
        list(stranger.datasets())
    assert (unknown.value.status, unknown.value.code) == (403, "not_permitted")
    with pytest.raises(InstructLoopError) as unnamed:
        Client(client.server, "no token").run("00000000-0000-0000-0000-000000000001")
    assert unnamed.value.status == 401


def test_a_busy_server_is_asked_again_and_a_silent_one_is_said_so() -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    answers = [(429, "7"), (503, ""), (200, "")]
    paused: list[float] = []

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, after = answers.pop(0)
            body = b'{"code": "abc", "state": "running"}' if status == 200 else b"busy"
            self.send_response(status)
            if after:
                self.send_header("Retry-After", after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Busy)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        assert Client(address, "t", wait=paused.append).run("abc").state == "running"
        assert paused == [7.0, 2.0]
        answers[:] = [(503, "1")]
        with pytest.raises(InstructLoopError) as given_up:
            Client(address, "t", tries=1).run("abc")
        assert given_up.value.status == 503
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    with pytest.raises(Unreachable):
        Client(address, "t", timeout=2).run("abc")


def described() -> set[tuple[str, str]]:
    """Return every request that the OpenAPI description names."""
    generator: Any = SchemaGenerator
    paths: dict[str, dict[str, Any]] = generator().get_schema(request=None, public=True)["paths"]
    return {
        (method.upper(), path.removeprefix(PREFIX)) for path, methods in paths.items() for method in methods
    }


def public_methods() -> Iterator[str]:
    for name, _ in inspect.getmembers(Client, inspect.isfunction):
        if not name.startswith("_") and name not in ("call", "open", "pages", "send_files"):
            yield name


def test_every_request_it_makes_is_described_and_none_described_is_missing() -> None:
    known = described()
    assert set(CALLS.values()) - known == set()
    covered = {call for call in known if call[1].split("/")[1] in NOUNS} | EXTRA
    assert covered - set(CALLS.values()) == set()
    assert set(CALLS) <= set(public_methods())
    assert set(public_methods()) - set(CALLS) == {"wait_for_run", "watch_run", "watch_replies"}


@pytest.mark.django_db(transaction=True)
def test_a_prompt_is_taken_in_under_the_published_notice(client_of: Callable[[User], Client]) -> None:
    dana = UserFactory.create(role=Role.OWNER)
    notice = publish_notice(body="We may train on what you write here.", by=dana)
    client = client_of(dana)
    made = client.add_prompt("Why is the sky blue?", user_id="org-7", consent=notice.version)
    assert client.prompt(made.code).text == "Why is the sky blue?"


@pytest.mark.django_db(transaction=True)
def test_a_blind_conversation_is_held_through_it(
    client_of: Callable[[User], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.answer_turn, "apply_async", lambda *given, **options: None)
    trained_pair()
    client = client_of(UserFactory.create(role=Role.RESEARCHER))
    made = client.start_conversation(mode="blind", max_tokens=20)
    assert client.say(made.code, "Name a bird.", number=1).is_writing
    stopped = client.stop_replies(made.code)
    assert not stopped.is_writing
    again = client.retry_reply(stopped.turns[0]["replies"][0]["code"])
    assert [reply["state"] for reply in again.turns[0]["replies"]] == ["queued", "cancelled"]
    Reply.objects.update(state=ReplyState.DONE, text="A robin.", tokens=3)
    *_, seen = client.watch_replies(made.code)
    assert seen.may_vote
    assert {side["name"] for side in seen.sides} == {None}
    assert {side["name"] for side in client.vote(made.code, "A").sides} == {"sft-1", "ppo-1"}
    assert {(row.votes, row.share) for row in client.standings()} == {(1, None)}
    assert [row.code for row in client.conversations()] == [made.code]
    client.erase_conversation(made.code)
    assert client.conversation(made.code).turns[0]["prompt"] == ""


@pytest.mark.django_db(transaction=True)
def test_webhooks_are_looked_after_through_it(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.OWNER))
    with pytest.raises(InstructLoopError) as inside:
        client.add_webhook("inside", "https://10.0.0.1/hook", ["run.finished"])
    assert inside.value.status == 422
    code, secret = client.add_webhook("outside", "https://93.184.216.34/hook", ["run.finished"])
    assert secret
    assert client.rotate_secret(code) != secret
    changed = client.change_webhook(
        code, name="other", url="https://93.184.216.34/other", events=["run.failed"]
    )
    assert changed.events == ["run.failed"]
    sent = client.send_test(code)
    assert [row.code for row in client.deliveries(code)] == [sent.code]
    assert client.enable_webhook(code).failures == 0
    assert client.webhook(code).name == "other"
    client.delete_webhook(code)
    assert list(client.webhooks()) == []


@pytest.mark.django_db(transaction=True)
def test_costs_are_read_and_rates_set_through_it(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.OWNER))
    made = client.add_pay_rate("30.00", "EUR", "2024-01-01")
    assert (made.per_hour, made.currency) == ("30.00", "EUR")
    assert [row.code for row in client.pay_rates()] == [made.code]
    assert client.costs(simulated=True)["currency"] == "EUR"
    assert client.add_machine_rate("4.50", "2024-01-01").per_hour == "4.50"
    assert [row.queue for row in client.machine_rates()] == [""]


@pytest.mark.django_db(transaction=True)
def test_benchmarks_are_listed_and_refused_through_it(client_of: Callable[[User], Client]) -> None:
    client = client_of(UserFactory.create(role=Role.RESEARCHER))
    assert list(client.benchmarks()) == []
    assert client.harness_tasks() == []
    assert client.alignment_tax(stored_model(name="base").code) == []
    with pytest.raises(InstructLoopError) as refused:
        client.start_benchmarks(["nobody"], ["00000000-0000-0000-0000-000000000001"])
    assert refused.value.status in (404, 422)
    with pytest.raises(InstructLoopError, match="no task 'mine'"):
        client.start_benchmarks(["base"], tasks=["mine"])
