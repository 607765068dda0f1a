from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from labeling.models import Assignment, Cohort, Demonstration, Labeler, Ranking, Role, TaskKind, User
from tests.training.demo.conftest import InProcess
from training.demo.display import Display
from training.demo.loop import BASE, DemoFailed
from training.demo.measures import Row, Share
from training.demo.people import make_logins
from training.demo.plan import Plan
from training.demo.report import show_report
from training.demo.scene import ensure_place, play
from training.models import Model, Round
from training.rules.rounds import steps

MINIATURE = Plan(
    authors=40,
    per_author=4,
    documents=300,
    prompts=24,
    valid_prompts=4,
    k=4,
    shared_fraction=0.5,
    gate={"overlap": 0, "agreement": 0, "gold": 0},  # so few labels show nothing
    held_out_prompts=8,
    test_samples=2,
    next_prompts=5,
    overrides={
        "pretrain": ("pretrain.steps=20", "pretrain.layers=1", "pretrain.width=32"),
        "sft": ("sft.epochs=1",),
        "ppo": (
            "ppo.iterations=2",
            "ppo.rollout_batch_size=32",
            "ppo.minibatch_size=32",
            "ppo.microbatch_size=32",
        ),
    },
)


@pytest.mark.django_db(transaction=True)
def test_a_miniature_demo_turns_the_whole_loop_by_the_rules(crew: InProcess, display: Display) -> None:
    make_logins()

    report, following = play(MINIATURE, display, crew)

    done = Round.objects.get(number=1)
    assert [step.state for step in steps(done)] == ["done"] * 10
    assert [row.policy for row in report.rows] == ["base", "SFT", "PPO", "PPO-ptx"]
    assert all(row.kl is not None and row.ptx_loss is not None for row in report.rows)
    assert report.reward.pairs > 0
    assert {"Base model pretrained", "Supervised fine-tuning", "Reward model", "PPO and PPO-ptx"} <= set(
        report.seconds
    )
    # Held-out labelers judged policies, and trained none of them.
    held_out = Ranking.objects.filter(labeler__cohort=Cohort.HELD_OUT)
    assert held_out.exists()
    assert not held_out.filter(task__batch__kind=TaskKind.COMPARISON).exists()
    assert not Demonstration.objects.exclude(labeler__is_simulated=True).exists()
    # Demonstrations and the next round's comparisons wait for people.
    writing = Assignment.objects.filter(state=Assignment.State.OPEN, kind=TaskKind.DEMONSTRATION)
    assert writing.count() == MINIATURE.next_prompts
    batch = following.comparison_batch
    assert batch is not None
    assert batch.assignments.filter(state=Assignment.State.OPEN).count() == batch.tasks.count() > 0
    # Played again, it finds everything done.
    models = Model.objects.count()
    again, _ = play(MINIATURE, display, crew)
    assert Model.objects.count() == models
    assert [replace(row) for row in again.rows] == report.rows

    with pytest.raises(DemoFailed, match="demo with seed 1 already"):
        play(replace(MINIATURE, seed=2), display, crew)

    output = StringIO()
    show_report(report, Console(file=output, width=130))
    assert "PPO-ptx" in output.getvalue()
    assert "chance 50 %" in output.getvalue()


@pytest.mark.django_db
def test_logins_get_new_passwords_each_time_and_simulated_labelers_none() -> None:
    first = make_logins()
    second = make_logins()

    assert [login.email for login in first] == [login.email for login in second]
    user = User.objects.get(email=second[0].email)
    assert user.check_password(second[0].password)
    assert not user.check_password(first[0].password)
    assert {login.role for login in second} == {Role.MANAGER, Role.RESEARCHER, Role.LABELER}
    assert Labeler.objects.get().is_simulated is False


@pytest.mark.django_db
def test_a_database_with_other_peoples_work_is_refused() -> None:
    User.objects.create_user("alice@example.org", "a-long-password")

    with pytest.raises(DemoFailed, match="holds other work already"):
        ensure_place(fresh=False)
    assert not Model.objects.filter(name=BASE).exists()


@pytest.mark.parametrize(("low", "is_failure"), [(0.51, False), (0.5, True), (0.4, True)])
def test_ppo_must_beat_sft_with_its_whole_interval(low: float, is_failure: bool) -> None:
    row = Row(
        policy="PPO",
        gold=0.8,
        good=0.7,
        gold_win=Share(0.6, low, 0.7),
        label_win=Share(),
        kl=2.0,
        ptx_loss=1.0,
        tokens=8.0,
        ended=1.0,
    )

    assert row.beats_baseline is not is_failure
