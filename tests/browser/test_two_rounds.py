"""Two full rounds by a researcher with a browser and nothing else: real worker, real training, tiny models.

Simulated labelers do the labeling by the same rules as people. Everything a researcher does is a click.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Cohort, Ranking, Role, TaskKind, User
from labeling.rules.prompts import import_prompts
from tests.factories import PASSWORD, UserFactory
from tests.training.real_worker import running_worker
from training.demo.corpus import documents
from training.demo.labelers import make_labelers
from training.demo.people import make_simulated_labelers
from training.demo.work import work_through
from training.demo.world import write_prompts
from training.models import GateOverride, Model, Round, Run, RunState
from training.rules.datasets import freeze_texts

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SEED = 1
STEP_MS = 180_000
"""What a training run or the sampling may take on two busy cores before the test gives up."""
TINY = {
    "sft": "sft.epochs = 1",
    "sample": "",
    "reward": "",
    "ppo": "ppo.iterations = 2\nppo.rollout_batch_size = 32\nppo.minibatch_size = 32",
}
ENDED = re.compile("Finished|Failed|Cancelled")
CONFIGS = {"sft": "tiny_sft", "sample": "tiny_sample", "reward": "tiny_reward", "ppo": "tiny_ppo_ptx"}


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> Iterator[None]:
    """The demo's prompts and texts at a small size, its simulated labelers, and a worker of the gpu queue."""
    import_prompts(rows=write_prompts(authors=40, per_author=4, seed=SEED), file_name="prompts")
    freeze_texts(name="demo texts", texts=documents(count=300, seed=SEED))
    make_simulated_labelers(make_labelers(train=3, held_out=2, seed=SEED))
    with running_worker(settings, tmp_path / "worker.log", at_once=2):
        yield


@pytest.fixture
def dana(live_server: LiveServer) -> User:
    """A researcher who can log in."""
    return UserFactory.create(email="dana@example.org", name="Dana", role=Role.RESEARCHER)


class Researcher:
    """What somebody does on the pages of a round, and looks at before the next click."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def step(self, title: str) -> Locator:
        """Return the line of a step."""
        return self.page.locator("#steps > li", has=self.page.get_by_text(title, exact=True))

    def press(self, title: str, button: str) -> None:
        """Start a step by its button."""
        self.step(title).get_by_role("button", name=button, exact=True).click()
        expect(self.page.locator(".messages")).to_be_visible()

    def wait(self, title: str, text: str = "Done") -> None:
        """Watch the page, which moves by itself, until a step says so."""
        over = re.compile(f"{text}|Start a new run|Failed")
        expect(self.step(title)).to_contain_text(over, timeout=STEP_MS)
        expect(self.step(title)).to_contain_text(text)

    def train(self, title: str, button: str) -> None:
        """Start a step that trains, and watch it to its end."""
        self.press(title, button)
        self.wait(title)


def go_to(page: Page, place: str) -> None:
    """Go to one of the pages about training by the navigation."""
    page.get_by_label("Main").get_by_role("link", name="Training").click()
    page.get_by_label("Training").get_by_role("link", name=place, exact=True).click()


def let_labelers_work(kind: str) -> None:
    """Let the simulated labelers do every open task of a kind."""
    people = make_labelers(train=3, held_out=2, seed=SEED)
    assert work_through(people=people, profiles=make_simulated_labelers(people), kind=kind, seed=SEED) > 0


def make_base_model(page: Page) -> None:
    """Pretrain a tiny base model by the form of a run."""
    go_to(page, "Runs")
    page.get_by_role("link", name="New run").first.click()
    page.get_by_role("link", name="Pretraining").click()
    page.get_by_role("link", name="tiny_pretrain").click()
    page.get_by_label("Name of the model").fill("tiny base")
    for key, value in {"steps": "20", "layers": "1", "width": "32"}.items():
        page.locator(f'[name="pretrain.{key}"]').fill(value)
    page.get_by_role("button", name="Queue the run").click()
    expect(page.locator("#live .badge")).to_have_text(ENDED, timeout=STEP_MS)
    expect(page.locator("#live")).to_contain_text("Finished")
    page.get_by_role("link", name="tiny base").first.click()
    expect(page.get_by_role("heading", name="tiny base")).to_be_visible()


def fill_round(page: Page) -> None:
    """Fill the form of a first round: few prompts, tiny runs."""
    texts = page.get_by_label("Texts for PPO-ptx")
    named = texts.locator("option", has_text="demo texts").text_content()
    texts.select_option(label=named)
    page.get_by_label("Prompts in each batch").fill("12")
    page.get_by_label("Prompts for validation").fill("3")
    page.get_by_label("Labelers for a comparison").fill("2")
    page.get_by_text("Settings of each stage").click()
    for stage, config in CONFIGS.items():
        page.get_by_label(f"Settings of {stage}").select_option(config)
        page.get_by_label(f"Changes to them, {stage}").fill(TINY[stage])


def turn(researcher: Researcher) -> None:
    """Go from sampled responses to the verdict of a round's labelers."""
    page = researcher.page
    researcher.wait("Sample responses")
    let_labelers_work(TaskKind.COMPARISON)
    researcher.wait("Collect comparisons")
    researcher.press("Freeze comparisons", "Freeze")
    researcher.wait("Freeze comparisons")
    if researcher.step("Train the reward model").get_by_text("Held", exact=True).is_visible():
        expect(page.locator("#gate")).to_contain_text("Closed")
        page.get_by_text("Train all the same").click()
        page.get_by_label("Why; your name stands beside it").fill("Two labelers and twelve prompts must do.")
        page.get_by_role("button", name="Sign and open the gate").click()
        expect(page.locator("#gate")).to_contain_text("Opened by Dana")
    researcher.train("Train the reward model", "Start reward model")
    researcher.train("Train the policy with PPO", "Start PPO")
    researcher.press("Evaluate", "Start evaluation")
    researcher.wait("Evaluate", "0 of")
    let_labelers_work(TaskKind.EVALUATION)
    researcher.wait("Evaluate")
    expect(researcher.step("Evaluate")).to_contain_text("Win rate")
    expect(researcher.step("Open the next round")).to_contain_text("Verdict: ")


def test_two_full_rounds_from_the_browser_alone(
    world: None, dana: User, page: Page, live_server: LiveServer
) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill(dana.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    make_base_model(page)

    go_to(page, "Rounds")
    page.get_by_role("link", name="Open the first round").click()
    fill_round(page)
    page.get_by_role("button", name="Open the round").click()
    expect(page.get_by_role("heading", name="Round 1")).to_be_visible()
    researcher = Researcher(page)
    researcher.press("Collect demonstrations", "Open a batch")
    let_labelers_work(TaskKind.DEMONSTRATION)
    researcher.wait("Collect demonstrations")
    researcher.press("Freeze demonstrations", "Freeze")
    researcher.train("Train the supervised policy", "Start SFT")
    researcher.press("Sample responses", "Sample")
    turn(researcher)

    page.get_by_role("link", name="With other settings").click()
    page.get_by_label("Prompts in each batch").fill("8")
    page.get_by_label("PPO starts from").select_option("newest")
    page.get_by_text("Gate before training").click()
    for name in ("Tasks with two labelers or more", "The interval of agreement lies above"):
        page.get_by_label(name).fill("0")
    page.get_by_role("button", name="Open the round").click()
    expect(page.get_by_role("heading", name="Round 2")).to_be_visible()
    turn(researcher)
    expect(researcher.step("Open the next round").get_by_role("button")).to_be_visible()
    go_to(page, "Rounds")
    expect(page.locator("tbody tr").last).to_contain_text("Complete")

    first, second = Round.objects.order_by("number")
    assert (first.settings["prompts"], second.settings["prompts"]) == (12, 8)
    made = Model.objects.get(run=first.ppo_run)
    assert second.ppo_run is not None
    assert made.policy is not None
    assert second.ppo_run.inputs.get(name="policy").model == made
    assert second.comparison_batch is not None
    assert str(made.policy.code) in {given["policy"] for given in second.comparison_batch.settings["writers"]}
    assert not Run.objects.exclude(state=RunState.FINISHED).exists()
    assert GateOverride.objects.get().round == first
    trained_on = Ranking.objects.filter(task__batch__in=[first.comparison_batch, second.comparison_batch])
    assert not trained_on.filter(labeler__cohort=Cohort.HELD_OUT).exists()
