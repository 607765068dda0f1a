"""Take every page at 1280 and 390 px, light and dark: `make screenshots`.

A database of its own is made, filled with a project in mid-flight and served; `--copy-of var` serves a copy
of an existing data folder's SQLite database instead, such as the demo's, so that training pages are full.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

if TYPE_CHECKING:
    from tests.browser.showcase import Showcase

WIDTHS = (1280, 390)
THEMES = ("light", "dark")
HEIGHT = 900
PAPER = {"width": max(WIDTHS), "height": HEIGHT}
"""Nobody prints on a sheet as narrow as a phone."""
LISTS = (
    "dashboard", "batches", "guidelines", "labelers", "prompts", "intakes", "agreement", "datasets", "runs",
    "screenings", "screening-tests", "hours", "staff", "surveys/results",
    "models", "rounds", "evaluations", "questions", "skips", "use-cases",
    "anchors", "reviews", "disagreements", "gold", "flags", "audit",
    "quality/labelers", "quality/items", "quality/ratings", "quality/drift",
)  # fmt: skip
FORMS = {
    "batch-new": "/batches/new/",
    "labeler-invite": "/labelers/invite/",
    "dataset-freeze": "/datasets/freeze/",
}
FORMS |= {f"run-new-{stage}": f"/runs/new/{stage}/" for stage in ("sft", "reward", "ppo")}
FORMS |= {f"{what}-publish": f"/{what}s/comparison/publish/" for what in ("guideline", "form")}
FORMS |= {"round-new": "/rounds/new/", "model-import": "/models/import/", "styleguide": "/styleguide/"}
FORMS |= {"second-factor": "/accounts/2fa/", "not-found": "/nowhere/"}
FORMS |= {"password-change": "/accounts/password/change/", "evaluation-new": "/evaluations/new/"}
FORMS |= {"workers": "/workers/", "evaluation-figures": "/evaluations/figures/"}
FORMS |= {"benchmarks": "/evaluations/benchmarks/", "benchmark-run": "/evaluations/benchmarks/new/"}
FORMS |= {"benchmark-import": "/evaluations/benchmarks/import/"}
FORMS |= {"toxicity-form-publish": "/forms/toxicity/publish/"}
FORMS |= {"terms-versions": "/terms/versions/", "screening-outcomes": "/screenings/outcomes/"}
FORMS |= {"account": "/account/", "two-factor": "/account/two-factor/", "refused": "/work/"}
FORMS |= {"interface": "/api/v1/"}
FORMS |= {"author-cap": "/prompts/cap/", "prompt-notices": "/prompts/notices/"}
FORMS |= {"prompt-notice-publish": "/prompts/notices/publish/", "terms-publish": "/terms/publish/"}
FORMS |= {"skip-attention": "/skips/attention/", "only-forms": "/skips/attention/change/"}
FORMS |= {f"flags-{source}": f"/flags/?source={source}" for source in ("reports", "notes")}
FORMS |= {
    "flags-answered": "/flags/?state=answered",
    "disagreements-settled": "/disagreements/?state=settled",
}
FORMS |= {"screening-grade": "/screenings/grade/"}
NO_PAGES = ("run-points", "run-compare-points", "run-live", "model-card")
SETTLED = '[data-save-status]:not([data-state="unsaved"])'
Shoot = Callable[[Page, str], None]


def main(arguments: list[str]) -> int:
    """Take the pictures; returns how many pages complained in the console or ran over the edge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/screenshots"))
    parser.add_argument("--copy-of", type=Path, help="a data folder whose db.sqlite3 is copied and served")
    parser.add_argument("--only", default="", help="take only pages whose name contains this")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="instructloop-screenshots-") as folder:
        prepare(Path(folder), options.copy_of)
        with serve() as (url, showcase), open_browser() as browser:
            camera = Camera(url, options.out, options.only, showcase)
            for width in WIDTHS:
                for theme in THEMES:
                    camera.visit(browser, width, theme)
    print(f"{camera.taken} pictures are in {options.out}; {len(camera.faults)} faults.")  # noqa: T201
    for fault in camera.faults:
        print(fault)  # noqa: T201
    return 1 if camera.faults else 0


def prepare(folder: Path, copy_of: Path | None) -> None:
    """Set Django up on a database in a folder of our own."""
    os.environ.pop("DATABASE_URL", None)
    os.environ.pop("REDIS_URL", None)
    os.environ |= {
        "DATA_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "server.settings.test",
        "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
    }
    if copy_of is not None:
        shutil.copy(copy_of / "db.sqlite3", folder / "db.sqlite3")
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@contextmanager
def serve() -> Iterator[tuple[str, "Showcase"]]:
    """Fill the database and serve it on a free port."""
    from django.contrib.staticfiles.handlers import StaticFilesHandler
    from django.test.testcases import LiveServerThread

    from tests.browser.showcase import make_showcase

    showcase = make_showcase()
    thread = LiveServerThread("127.0.0.1", StaticFilesHandler)
    thread.daemon = True
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    yield f"http://127.0.0.1:{thread.port}", showcase
    thread.terminate()


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the system's Chromium."""
    from tests.services.machine import find_chromium

    path = find_chromium()
    if path is None:
        raise SystemExit("Chromium is not installed; CHROMIUM may name it.")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


class Camera:
    """Goes through the pages as each person, and notes what is wrong on the way."""

    def __init__(self, url: str, out: Path, only: str, showcase: "Showcase") -> None:
        self.url, self.out, self.only, self.showcase = url, out, only, showcase
        self.taken = 0
        self.faults: list[str] = []

    def visit(self, browser: Browser, width: int, theme: Any) -> None:
        """Take all pages at one width in one theme."""

        def shoot(page: Page, name: str) -> None:
            if self.only not in name:
                return
            over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
            if over > 0:
                self.faults.append(f"{name} at {width} px runs {over} px over the edge")
            page.screenshot(path=self.out / f"{name}-{width}-{theme}.png", full_page=True)
            self.taken += 1

        for walk in (
            self.strangers,
            self.newcomers,
            self.labelers,
            self.learners,
            self.staff,
            self.researchers,
        ):
            context = browser.new_context(
                viewport={"width": width, "height": HEIGHT}, color_scheme=theme, reduced_motion="reduce"
            )
            context.set_default_timeout(20_000)
            walk(self.watched(context), shoot)
            context.close()

    def watched(self, context: BrowserContext) -> Page:
        """Open a page whose console is listened to."""
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: (
                self.faults.append(f"{page.url}: {message.text}")
                if message.type == "error" and "status of 4" not in message.text
                else None
            ),
        )
        return page

    def log_in(self, page: Page, email: str) -> None:
        from tests.factories import PASSWORD

        page.goto(f"{self.url}/accounts/login/")
        page.fill("[name=login]", email)
        page.fill("[name=password]", PASSWORD)
        page.click("main button[type=submit]")
        page.wait_for_url(lambda url: "/accounts/login/" not in url)

    def strangers(self, page: Page, shoot: Shoot) -> None:
        """What can be seen without an account."""
        for name, path in (
            ("login", "/accounts/login/"),
            ("password-reset", "/accounts/password/reset/"),
            ("invitation", f"/invitations/{self.showcase.invitation_token}/"),
            ("invitation-closed", "/invitations/used/"),
        ):
            page.goto(self.url + path)
            shoot(page, name)

    def newcomers(self, page: Page, shoot: Shoot) -> None:
        """Somebody in screening: the overview, one item of each part, the terms."""
        people = self.showcase.people
        self.log_in(page, people.newcomer.user.email)
        shoot(page, "screening")
        for name, item in people.items.items():
            page.goto(f"{self.url}/screening/items/{item.code}/")
            shoot(page, f"screening-{name}")
        for name, path in (("screening-coverage", "/screening/coverage/"), ("terms", "/terms/")):
            page.goto(self.url + path)
            shoot(page, name)

    def labelers(self, page: Page, shoot: Shoot) -> None:
        """Alice's work: both tasks in hand, each step of the ranking, her receipts."""
        self.log_in(page, self.showcase.alice.user.email)
        shoot(page, "work")
        page.goto(f"{self.url}/demonstrations/{self.showcase.writing.code}/write/")
        page.wait_for_selector("form[data-started-drafts]")
        shoot(page, "write")
        page.locator('[data-opens="skip-dialog"]').click()
        shoot(page, "skip")
        page.goto(f"{self.url}/comparisons/{self.showcase.ranking.code}/rank/")
        page.wait_for_selector("form[data-started-drafts]")
        page.locator('[data-go="0"]').click()
        page.wait_for_selector(SETTLED)
        shoot(page, "rate-prompt")
        page.locator('[data-go="1"]').click()
        page.wait_for_selector(SETTLED)
        shoot(page, "rate")
        page.keyboard.press("r")
        page.wait_for_selector("#report-form [name=reason]")
        shoot(page, "report")
        page.keyboard.press("Escape")
        page.locator('[data-go="6"]').click()
        page.wait_for_selector(SETTLED)
        shoot(page, "rank")
        page.keyboard.press("d")
        page.wait_for_selector("[data-pane=right] .plain")
        shoot(page, "rank-side-by-side")
        page.keyboard.press("Escape")
        page.goto(f"{self.url}/comparisons/{self.showcase.toxicity.code}/rank/")
        page.wait_for_selector("form[data-started-drafts]")
        page.locator('[data-go="0"]').click()
        page.wait_for_selector("#step-prompt.current")
        shoot(page, "toxicity-prompt")
        page.locator('[data-go="1"]').click()
        page.wait_for_selector(SETTLED)
        shoot(page, "toxicity")
        page.goto(f"{self.url}/comparisons/{self.showcase.reading.code}/read/")
        page.wait_for_selector("form[data-started-drafts]")
        shoot(page, "read-first")
        self.writing(page, shoot)
        page.goto(f"{self.url}/receipts/")
        shoot(page, "receipts")
        page.locator("main table a").first.click()
        page.wait_for_load_state()
        shoot(page, "receipt")

    def writing(self, page: Page, shoot: Shoot) -> None:
        """Alice's other pages: prompts to write, questions, time, choices, a changed guideline."""
        work = self.showcase.work
        for name, slot in (("write-few-shot", work.few_shot), ("write-user-based", work.user_based)):
            page.goto(f"{self.url}/written-prompts/{slot.code}/write/")
            page.wait_for_selector("form[data-started-drafts]")
            shoot(page, name)
        for name, path in (
            ("work-time", "/work/time/"),
            ("examples", "/work/examples/"),
            ("work-preferences", "/work/preferences/"),
            ("work-rounds", "/work/rounds/"),
            ("questions-board", "/questions/"),
            ("question", f"/questions/{work.question.code}/"),
            ("question-ask", "/questions/ask/"),
            ("guideline-changes", f"/guidelines/{work.guideline.code}/changes/"),
        ):
            page.goto(self.url + path)
            shoot(page, name)

    def learners(self, page: Page, shoot: Shoot) -> None:
        """Somebody in a batch for learning: the reference after a submission, and where others differ."""
        lesson = self.showcase.lesson
        self.log_in(page, lesson.labeler.user.email)
        for name, path in (
            ("receipt-feedback", f"/receipts/{lesson.code}/"),
            ("second-looks", "/work/differences/"),
        ):
            page.goto(self.url + path)
            shoot(page, name)

    def staff(self, page: Page, shoot: Shoot) -> None:
        """The owner's pages: each list, the first row of each, each form."""
        self.log_in(page, self.showcase.owner.email)
        for name in LISTS:
            answer = page.goto(f"{self.url}/{name}/")
            if answer is None or answer.status != 200:
                self.faults.append(f"/{name}/ answers {answer.status if answer else 'nothing'}")
                continue
            shoot(page, name.replace("/", "-"))
            first = page.locator(f'main table a[href^="/{name}/"]').first
            if first.count():
                page.goto(self.url + str(first.get_attribute("href")))
                page.wait_for_load_state()
                shoot(page, f"{name.replace('/', '-')}-detail")
        for name, path in FORMS.items():
            page.goto(self.url + path)
            shoot(page, name)
        page.goto(f"{self.url}/batches/")
        menu = page.locator(".site-menu > summary:visible")
        menu.click()
        shoot(page, "menu")
        self.batch(page, shoot)

    def researchers(self, page: Page, shoot: Shoot) -> None:
        """Every page about training, and a run in each state; on paper, the curves with their tables."""
        from django.urls import reverse

        from tests.training.pages import PAGES

        training = self.showcase.training
        self.log_in(page, self.showcase.owner.email)
        paths = {name: address(training) for name, address in PAGES.items() if name not in NO_PAGES}
        paths |= {f"run-{run.state}": reverse("run-detail", args=[run.code]) for run in training.runs[-4:]}
        for name, path in paths.items():
            page.goto(self.url + path)
            page.wait_for_load_state("networkidle")
            shoot(page, f"training-{name}")
        on_paper = ("run-detail", "run-compare", "round-last") if page.viewport_size == PAPER else ()
        for name in on_paper:
            page.goto(self.url + paths[name])
            page.wait_for_load_state("networkidle")
            page.emulate_media(media="print")
            shoot(page, f"print-{name}")
            page.emulate_media(media="screen")

        self.playground(page, shoot)

    def playground(self, page: Page, shoot: Shoot) -> None:
        """A conversation in each state; the one that waits asks again and again, so nobody waits for rest."""
        for name, given in self.showcase.talks.items():
            page.goto(f"{self.url}/playground/{given.code}/")
            shoot(page, name)
        page.goto(f"{self.url}/playground/{self.showcase.talks['playground-side-by-side'].code}/notice/")
        shoot(page, "playground-notice")

    def batch(self, page: Page, shoot: Shoot) -> None:
        """A batch's other pages, the order of a task, and a labeler's page as staff see it."""
        batch, task = self.showcase.ranking.batch, self.showcase.ranking.task
        for name, path in (
            ("batch-manage", f"/batches/{batch.code}/manage/"),
            ("batch-like", f"/batches/new/?like={batch.code}"),
            ("batch-tasks", f"/batches/{batch.code}/tasks/"),
            ("batch-preview", f"/batches/{batch.code}/preview/"),
            ("gold-mark", f"/tasks/{task.code}/gold/"),
            ("adjudicate", f"/tasks/{self.showcase.lesson.assignment.task.code}/settle/"),
            ("author-erase", f"/prompts/authors/{task.given_prompt.author_key}/erase/"),
        ):
            page.goto(self.url + path)
            shoot(page, name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
