"""How long the quality pages' figures take over 100,000 rankings, and a page that reads them.

    python -m benchmarks.agreement_at_scale --out benchmarks/results/agreement_at_scale.json

An SQLite database of its own is filled with tasks of six responses, two labelers each, forty labelers.
"""

import argparse
import json
import os
import platform
import random
import tempfile
import time
from pathlib import Path
from typing import Any

PARTS = 2_000


def main() -> None:
    """Fill, compute, read; print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rankings", type=int, default=100_000)
    parser.add_argument("--labelers", type=int, default=40)
    parser.add_argument("--k", type=int, default=6)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="instructloop-agreement-") as folder:
        os.environ.pop("DATABASE_URL", None)
        os.environ |= {"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "server.settings.test"}
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        result = measure(options.rankings, options.labelers, options.k)
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n", encoding="utf-8")


def measure(rankings: int, labelers: int, k: int) -> dict[str, Any]:
    """Return seconds for each section, for the command's figures, and milliseconds for each page."""
    from django.test import Client

    from labeling.models import Role
    from labeling.rules import quality_reports
    from labeling.rules.agreement import agreement_in_every_mode
    from tests.factories import UserFactory

    fill(rankings, labelers, k)
    started = time.perf_counter()
    strict = agreement_in_every_mode()["strict"]
    command_seconds = time.perf_counter() - started
    sections = {}
    for section in quality_reports.SECTIONS:
        started = time.perf_counter()
        quality_reports.SECTIONS[section]()
        sections[section] = round(time.perf_counter() - started, 2)
    quality_reports.refresh_reports()
    client = Client()
    client.force_login(UserFactory.create(role=Role.OWNER))
    pages = {}
    for path in (
        "/agreement/",
        "/quality/labelers/",
        "/quality/items/",
        "/quality/ratings/",
        "/quality/drift/",
    ):
        client.get(path)
        took = []
        for _ in range(5):
            started = time.perf_counter()
            assert client.get(path).status_code == 200
            took.append(1000 * (time.perf_counter() - started))
        pages[path] = round(sorted(took)[2], 1)
    return {
        "what": "figures of the quality pages, SQLite, one process",
        "rankings": rankings,
        "labelers": labelers,
        "k": k,
        "agreement": strict.value,
        "standard_error": strict.standard_error,
        "pairwise_agreement_seconds": round(command_seconds, 2),
        "section_seconds": sections,
        "page_milliseconds": pages,
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
    }


def fill(rankings: int, labelers: int, k: int) -> None:
    """Make the rows in bulk: noisy orders of the same responses by two labelers a task."""
    from labeling.models import Labeler, Place, Prompt, Ranking, Response, Task, User
    from labeling.rules.batches import create_batch
    from labeling.rules.policies import people_policy
    from labeling.rules.texts import exact_hash, text_hash

    chance = random.Random(11)
    users = [User(email=f"{n}@example.org", password="!") for n in range(labelers)]
    User.objects.bulk_create(users)
    people = [Labeler(user=user, pseudonym=f"L-{n:04d}", status="active") for n, user in enumerate(users)]
    Labeler.objects.bulk_create(people)
    batch, policy = create_batch(name="Large", kind="comparison", k=k), people_policy()
    categories = ("generation", "open_qa", "chat", "rewrite")
    for start in range(0, rankings // 2, PARTS):
        numbers = range(start, min(start + PARTS, rankings // 2))
        prompts = [
            Prompt(
                text=f"Prompt {n}", text_hash=text_hash(f"Prompt {n}"), source="playground",
                author_key=f"u{n}", split="train", language="en", category=categories[n % 4],
            )
            for n in numbers
        ]  # fmt: skip
        Prompt.objects.bulk_create(prompts)
        tasks = [Task(batch=batch, prompt=prompt, overlap=2, is_shared=True) for prompt in prompts]
        Task.objects.bulk_create(tasks)
        texts = [f"{n}-{i} " + "word " * chance.randrange(2, 60) for n in numbers for i in range(k)]
        responses = [
            Response(prompt=prompts[at // k], policy=policy, text=text, text_hash=exact_hash(text))
            for at, text in enumerate(texts)
        ]
        Response.objects.bulk_create(responses)
        made: list[Ranking] = []
        places: list[Place] = []
        for at, task in enumerate(tasks):
            own = responses[at * k : (at + 1) * k]
            worth = [chance.gauss(0, 1) for _ in own]
            for labeler in chance.sample(people, 2):
                seen = [value + chance.gauss(0, 0.9) for value in worth]
                order = sorted(range(k), key=lambda i: -seen[i])
                shown = [str(response.code) for response in chance.sample(own, k)]
                ranking = Ranking(
                    task=task, labeler=labeler, shown_order=shown, seconds=chance.randrange(30, 400)
                )
                made.append(ranking)
                places.extend(
                    Place(
                        ranking=ranking, response=own[i], rank=place + 1, likert=7 - place,
                        flags={"fails_task": chance.random() < 0.05, "inappropriate": chance.random() < 0.01},
                    )
                    for place, i in enumerate(order)
                )  # fmt: skip
        Ranking.objects.bulk_create(made)
        Place.objects.bulk_create(places, batch_size=5_000)


if __name__ == "__main__":
    main()
