"""A demo from an empty data folder to its report, and what becomes of an earlier one."""

import time
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from rich.console import Console

from labeling.models import User
from training.demo.display import Display
from training.demo.loop import (
    DemoFailed,
    open_next_round,
    open_writing,
    start_demo,
    train_policies,
    turn_the_loop,
)
from training.demo.measures import Report, check_reward_model, measure
from training.demo.people import DOMAIN, Login, make_logins
from training.demo.plan import Plan
from training.demo.workers import Crew, running_workers
from training.models import Round

KEPT = ("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm", "artifacts", "runs", "broker", "demo-workers.log")


def ensure_place(*, fresh: bool) -> None:
    """Prepare the database; refuse to mix a demo with other people's work.

    With `fresh`, what an earlier demo left is moved into a folder beside it, never deleted. Raises
    DemoFailed where the database holds people that no demo made.
    """
    call_command("migrate", verbosity=0)
    strangers = User.objects.exclude(email__endswith=f"@{DOMAIN}").exclude(labeler__is_simulated=True)
    if strangers.exists() and not Round.objects.filter(name="Demo round").exists():
        raise DemoFailed(
            f"{settings.DATA_DIR} holds other work already ({strangers.count()} accounts). Name an empty "
            "folder: DATA_DIR=var/demo make demo."
        )
    if fresh and User.objects.exists():
        _put_aside()
        call_command("migrate", verbosity=0)


def run_demo(plan: Plan, console: Console, *, threads: int = 1) -> Report:
    """Turn the loop once and measure what came of it. Raises DemoFailed naming the step."""
    display = Display(console)
    began = time.monotonic()
    display.say(f"One turn of the loop, seed {plan.seed}. Everything is kept in {settings.DATA_DIR}.")
    logins = make_logins()
    with running_workers(threads=threads) as workers:
        report, following = play(plan, display, workers)
    display.say(
        f"The loop took {time.monotonic() - began:.0f} seconds. {following.comparison_batch} is open."
    )
    _say_logins(display, logins)
    return report


def play(plan: Plan, display: Display, workers: Crew) -> tuple[Report, Round]:
    """Do every step of a demo; returns what was measured and the round that waits for people."""
    demo = start_demo(plan, display, workers)
    given = turn_the_loop(demo)
    reward = check_reward_model(demo, given)
    policies = train_policies(demo, given)
    report = measure(demo, given, policies, reward)
    open_writing(demo)
    return report, open_next_round(demo, given)


def _say_logins(display: Display, logins: list[Login]) -> None:
    display.say("Log in as:")
    for login in logins:
        display.say(f"  {login.role:<12}{login.email:<28}{login.password}")


def _put_aside() -> None:
    """Move an earlier demo's files into DATA_DIR/before-<time>; only of the embedded database."""
    if connection.vendor != "sqlite":
        raise DemoFailed("--fresh moves files of the embedded database; of a server, name an empty database.")
    connection.close()
    folder = Path(settings.DATA_DIR)
    aside = folder / time.strftime("before-%Y%m%d-%H%M%S")
    aside.mkdir()
    for name in KEPT:
        if (folder / name).exists():
            (folder / name).rename(aside / name)
    for name in ("messages", "control", "results"):
        (folder / "broker" / name).mkdir(parents=True, exist_ok=True)
