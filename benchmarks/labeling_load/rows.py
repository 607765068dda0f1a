"""Rows for the load: made by the rules once, copied by the database, opened by the rules again."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, models
from knox.models import AuthToken

from labeling.models import (
    Batch,
    Candidate,
    Labeler,
    Policy,
    Prompt,
    PromptSource,
    Response,
    Split,
    Task,
    TaskKind,
    User,
)
from labeling.rules import batches, labelers
from labeling.rules.texts import exact_hash, text_hash

K = 4
BASE = 10_000_000
"""Copies count up from here, so that the numbers of one table follow from those of another."""


def make_labelers(count: int) -> list[str]:
    """Make active labelers qualified for comparisons; returns a token of each."""
    tokens = []
    for number in range(count):
        user = User.objects.create(email=f"load-{number}@load.invalid", name=f"Load {number}")
        labelers.create_labeler(user=user, cohort="train", kinds=[TaskKind.COMPARISON])
        _, token = AuthToken.objects.create(user)
        tokens.append(token)
    Labeler.objects.update(status=Labeler.Status.ACTIVE)
    return tokens


@dataclass(frozen=True)
class First:
    """The comparison that the rules made, of which all others are copies."""

    batch: Batch
    prompt: Prompt
    responses: Sequence[Response]
    task: Task


def make_open_comparisons(count: int, *, prompt_sql: str, response_sql: str) -> float:
    """Open a batch of `count` comparisons of four responses, each with a prompt of its own.

    Returns how many seconds opening it took, which is what a manager waits for.
    """
    first = make_first_comparison()
    copy_comparison(first, count, prompt_sql=prompt_sql, response_sql=response_sql)
    began = time.perf_counter()
    batches.open_batch(batch=first.batch)
    seconds = time.perf_counter() - began
    tidy_up()
    return seconds


def make_first_comparison() -> First:
    """Make a draft batch with one comparison of four responses."""
    prompt = Prompt.objects.create(
        text="The first", source=PromptSource.PLAYGROUND, author_key="u_load", split=Split.TRAIN,
        text_hash=text_hash("The first"), language="en",
    )  # fmt: skip
    policies = [Policy.objects.create(name=f"load-{n}", kind=Policy.Kind.IMPORTED) for n in range(K)]
    responses = [
        Response.objects.create(prompt=prompt, policy=policy, text="First", text_hash=exact_hash("First"))
        for policy in policies
    ]
    batch = batches.create_batch(name="Load", kind=TaskKind.COMPARISON, k=K)
    task = batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    return First(batch, prompt, responses, task)


def copy_comparison(first: First, count: int, *, prompt_sql: str, response_sql: str) -> None:
    """Make copies of the first comparison, with other texts, until there are `count`."""
    with keys_known_to_fit():
        copy_row(first.prompt, count - 1, {
            "text": prompt_sql, "text_hash": "md5('p' || i) || md5('q' || i)",
            "author_key": "'u_load' || (i % 5000)",
        })  # fmt: skip
        for place, response in enumerate(first.responses):
            copy_row(response, count - 1, {
                "id": number_of(f"i * {K} + {place}"), "prompt_id": number_of("i"),
                "text": response_sql, "text_hash": f"md5('r' || i) || md5('{place}' || i)",
            })  # fmt: skip
        copy_row(first.task, count - 1, {"prompt_id": number_of("i")})
        for place, candidate in enumerate(Candidate.objects.filter(task=first.task).order_by("position")):
            copy_row(candidate, count - 1, {
                "id": number_of(f"i * {K} + {place}"), "task_id": number_of("i"),
                "response_id": number_of(f"i * {K} + {place}"),
            })  # fmt: skip
    with connection.cursor() as cursor:
        for model in (Prompt, Response, Task, Candidate):
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, (BASE + count) * K],
            )
    tidy_up()


def tidy_up() -> None:
    """Do what PostgreSQL does by itself a minute later."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")


@contextmanager
def keys_known_to_fit() -> Iterator[None]:
    """Spare PostgreSQL looking up each key of the copies, which is most of the work of inserting them."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def number_of(place: str) -> str:
    return f"{BASE} + {place}"


def copy_row(row: models.Model, count: int, values: Mapping[str, str]) -> None:
    """Insert `count` copies of a row, with these columns made by SQL from i = 1 to `count`."""
    quote = connection.ops.quote_name
    table = quote(row._meta.db_table)
    made = {"id": number_of("i"), "code": "gen_random_uuid()", **values}
    columns = [str(field.column) for field in row._meta.concrete_fields]
    names = ", ".join(quote(column) for column in columns)
    sources = ", ".join(made.get(column, f"t.{quote(column)}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {sources} FROM {table} t, generate_series(1, {count}) i "
            f"WHERE t.id = {row.pk}"
        )
