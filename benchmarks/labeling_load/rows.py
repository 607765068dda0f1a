"""Rows for the load: made by the rules once, copied by the database, opened by the rules again."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from django.db import connection, models
from knox.models import AuthToken

from labeling.models import (
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


def make_open_comparisons(count: int, *, prompt_sql: str, response_sql: str) -> float:
    """Open a batch of `count` comparisons of four responses, each with a prompt of its own.

    Returns how many seconds opening it took, which is what a manager waits for.
    """
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
    code = "gen_random_uuid()"
    with _keys_known_to_fit():
        _copy(prompt, count - 1, {
            "code": code, "text": prompt_sql, "text_hash": "md5('p' || i) || md5('q' || i)",
            "author_key": "'u_load' || (i % 5000)",
        })  # fmt: skip
        for place, response in enumerate(responses):
            _copy(response, count - 1, {
                "id": _number(f"i * {K} + {place}"), "code": code, "prompt_id": _number("i"),
                "text": response_sql, "text_hash": f"md5('r' || i) || md5('{place}' || i)",
            })  # fmt: skip
        _copy(task, count - 1, {"code": code, "prompt_id": _number("i")})
        for place, candidate in enumerate(Candidate.objects.filter(task=task).order_by("position")):
            _copy(candidate, count - 1, {
                "id": _number(f"i * {K} + {place}"), "task_id": _number("i"),
                "response_id": _number(f"i * {K} + {place}"),
            })  # fmt: skip
    with connection.cursor() as cursor:
        for model in (Prompt, Response, Task, Candidate):
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                [model._meta.db_table, (BASE + count) * K],
            )
        cursor.execute("VACUUM (ANALYZE)")
    began = time.perf_counter()
    batches.open_batch(batch=batch)
    seconds = time.perf_counter() - began
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return seconds


@contextmanager
def _keys_known_to_fit() -> Iterator[None]:
    """Spare PostgreSQL looking up each key of the copies, which is most of the work of inserting them."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            cursor.execute("SET session_replication_role = DEFAULT")


def _number(place: str) -> str:
    return f"{BASE} + {place}"


def _copy(row: models.Model, count: int, values: Mapping[str, str]) -> None:
    """Insert `count` copies of a row, with these columns made by SQL from i = 1 to `count`."""
    quote = connection.ops.quote_name
    table = quote(row._meta.db_table)
    made = {"id": _number("i"), **values}
    columns = [str(field.column) for field in row._meta.concrete_fields]
    names = ", ".join(quote(column) for column in columns)
    sources = ", ".join(made.get(column, f"t.{quote(column)}") for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({names}) SELECT {sources} FROM {table} t, generate_series(1, {count}) i "
            f"WHERE t.id = {row.pk}"
        )
