"""Statements that the queue sends thousands of times a minute, built once in each process.

Django builds SQL anew for each use of a queryset, which takes several times as long as running it. A `Query`
keeps what Django built and fills in the values; PostgreSQL also keeps it prepared. Rows come back as ordinary
model instances, so a rule reads the same with or without.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.query import get_related_populators

M = TypeVar("M", bound=models.Model)
STAND_INS: dict[type, tuple[Any, ...]] = {
    int: tuple(-7_400_000_000_000_000_001 - n for n in range(8)),
    str: tuple(f"stand-in {n} of labeling.statements" for n in range(8)),
    UUID: tuple(UUID(int=0x7E57_0000_0000_4000_8000_0000_0000_0000 + n) for n in range(8)),
    datetime: tuple(datetime(1923, 5, 17, 3, 1, 4, n + 1, tzinfo=UTC) for n in range(8)),
}
"""Values that nobody uses: they mark the places in the built SQL where those of each call go."""
QUALIFIED = re.compile(r'"(labeling_[a-z_]+)"\."([a-z_]+)"')
"""A column behind its table needs no quotation marks, and psycopg takes texts over 4096 characters apart each
time that they are sent."""


class Query(Generic[M]):
    """A queryset whose SQL is built once.

    `build` gets a stand-in for each of the `values`, named with their type (int, str, UUID or datetime), and
    may use it in any lookup that takes one value. Everything else in the queryset is fixed.

        FIND = Query(lambda code: Prompt.objects.filter(code=code), code=UUID)
        FIND.first(code=code)
    """

    def __init__(self, build: Callable[..., models.QuerySet[M]], **values: type) -> None:
        self.build = build
        self.values = values
        self.built: dict[str, _Built] = {}

    def first(self, **values: Any) -> M | None:
        """Return the first row, None where there is none."""
        return next(iter(self.all(**values)), None)

    def all(self, **values: Any) -> list[M]:
        """Return all rows."""
        database = connections[DEFAULT_DB_ALIAS]
        found: list[M] = self._built(database).instances(values, database)
        return found

    def returned_by(self, change: str, parameters: Sequence[Any]) -> list[M]:
        """Run a change of the queryset's table that returns whole rows; returns them as the queryset does.

        One statement, in which the changed rows stand in the table's place; only PostgreSQL can say that.
        """
        database = connections[DEFAULT_DB_ALIAS]
        found: list[M] = self._built(database).returned_by(change, parameters, database)
        return found

    def _built(self, database: BaseDatabaseWrapper) -> "_Built":
        built = self.built.get(database.vendor)
        if built is None:
            built = self.built[database.vendor] = _Built(self)
        return built


class _Built:
    """What Django made of a queryset on one kind of database, taken apart."""

    def __init__(self, query: Query[Any]) -> None:
        taken = dict.fromkeys(STAND_INS, 0)
        stand_ins: dict[str, Any] = {}
        for name, kind in query.values.items():
            stand_ins[name] = STAND_INS[kind][taken[kind]]
            taken[kind] += 1
        compiler = query.build(**stand_ins).query.get_compiler(using=DEFAULT_DB_ALIAS)
        sql, given = compiler.as_sql()
        names = {_prepared(value, connections[DEFAULT_DB_ALIAS]): name for name, value in stand_ins.items()}
        places = [
            names.get(value) if isinstance(value, int | str | UUID | datetime) else None for value in given
        ]
        self.sql, self.names, self.fixed = _with_literals(sql, places, given)
        found = compiler.get_converters([column[0] for column in compiler.select[: compiler.col_count]])
        self.converters = [(place, functions, column) for place, (functions, column) in found.items()]
        info = compiler.klass_info
        assert info is not None  # a queryset of model instances
        self.model = info["model"]
        self.start, self.end = info["select_fields"][0], info["select_fields"][-1] + 1
        self.attributes = [column[0].target.attname for column in compiler.select[self.start : self.end]]
        related: Any = get_related_populators  # the stubs have the arguments of a later Django
        self.related = related(info, compiler.select, DEFAULT_DB_ALIAS)
        self.annotations = compiler.annotation_col_map or {}

    def instances(self, values: dict[str, Any], database: BaseDatabaseWrapper) -> list[Any]:
        prepared = {name: _prepared(value, database) for name, value in values.items()}
        parameters = [
            fixed if name is None else prepared[name]
            for name, fixed in zip(self.names, self.fixed, strict=True)
        ]
        return [self._instance(list(row), database) for row in rows_of(self.sql, parameters)]

    def returned_by(self, change: str, parameters: Sequence[Any], database: BaseDatabaseWrapper) -> list[Any]:
        sql = f"WITH {self.model._meta.db_table} AS ({change}) {self.sql}"
        return [self._instance(list(row), database) for row in rows_of(sql, [*parameters, *self.fixed])]

    def _instance(self, row: list[Any], database: BaseDatabaseWrapper) -> Any:
        for place, functions, column in self.converters:
            for function in functions:
                row[place] = function(row[place], column, database)
        found = self.model.from_db(DEFAULT_DB_ALIAS, self.attributes, row[self.start : self.end])
        for populator in self.related:
            populator.populate(row, found)
        for name, place in self.annotations.items():
            setattr(found, name, row[place])
        return found


def insert(*rows: models.Model) -> None:
    """Insert new rows of one model by one statement; a single one learns its number."""
    database = connections[DEFAULT_DB_ALIAS]
    sql = _insertion(type(rows[0]), len(rows), database.vendor)
    parameters = [value for row in rows for value in values_of(row)]
    if len(rows) > 1:
        change(sql, parameters)
    else:
        rows[0].pk = rows_of(sql, parameters)[0][0]
    for row in rows:
        mark_as_stored(row)


def insertion_from(model: type[models.Model], source: str) -> str:
    """Return the statement that inserts a new row, its values as parameters, if `source` has a row.

    For PostgreSQL: each place names its type, which a place in a SELECT does not learn from the column.
    """
    fields = stored_fields(model)
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(f"%s::{_type_of(field)}" for field in fields)
    return f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {places} FROM {source}"


def values_of(row: models.Model) -> list[Any]:
    """Return what an insertion of a new row sends, in the order of its columns."""
    database = connections[DEFAULT_DB_ALIAS]
    return [
        field.get_db_prep_save(field.pre_save(row, add=True), database) for field in stored_fields(type(row))
    ]


@cache
def stored_fields(model: type[models.Model]) -> tuple[Any, ...]:
    """Return the fields of a model that have a column, all but its number."""
    return tuple(field for field in model._meta.concrete_fields if not field.primary_key)


def mark_as_stored(row: models.Model) -> None:
    """Let an instance know that its row is there."""
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update(row: models.Model, *names: str) -> None:
    """Write these fields of a row as they stand in the instance."""
    database = connections[DEFAULT_DB_ALIAS]
    sql, fields = _change(type(row), names, database.vendor)
    values = [field.get_db_prep_save(field.pre_save(row, add=False), database) for field in fields]
    change(sql, [*values, row.pk])


def rows_of(sql: str, parameters: Sequence[Any]) -> list[Any]:
    """Run a statement and return its rows."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def change(sql: str, parameters: Sequence[Any]) -> int:
    """Run a statement and return how many rows it changed."""
    with _cursor() as cursor:
        cursor.execute(sql, parameters)
        return int(cursor.rowcount)


def _cursor() -> Any:
    """Return a cursor; on PostgreSQL one that keeps its statements prepared on the server."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "postgresql":
        return database.cursor()
    if database.connection is None:
        database.ensure_connection()
    return database._prepare_cursor(PreparedCursor(database.connection))  # type: ignore[attr-defined]


@cache
def _insertion(model: type[models.Model], count: int, vendor: str) -> str:
    fields = stored_fields(model)
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["(" + ", ".join(["%s"] * len(fields)) + ")"] * count)
    sql = f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES {places}"
    return sql if count > 1 else f"{sql} RETURNING id"


def _type_of(field: Any) -> str:
    """Return a column's type without its length: the column itself refuses what is too long."""
    target = field.target_field if field.remote_field else field
    kind = str(target.rel_db_type(connection) if field.remote_field else field.db_type(connection))
    return "text" if kind.startswith("varchar") else kind


@cache
def _change(model: type[models.Model], names: tuple[str, ...], vendor: str) -> tuple[str, list[Any]]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    quote = connection.ops.quote_name
    changes = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    return f"UPDATE {quote(model._meta.db_table)} SET {changes} WHERE id = %s", fields


class PreparedCursor(psycopg.Cursor[Any]):
    """Sends values apart from the statement, which the server plans once for each connection."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "PreparedCursor":
        return super().execute(query, params, prepare=True)


def _prepared(value: Any, database: BaseDatabaseWrapper) -> Any:
    """Return a value as the database's own lookups would send it."""
    if isinstance(value, UUID):
        return value if database.features.has_native_uuid_field else value.hex
    if isinstance(value, datetime):
        return database.ops.adapt_datetimefield_value(value)
    return value


def _with_literals(
    sql: str, names: list[str | None], given: Sequence[Any]
) -> tuple[str, list[str | None], list[Any]]:
    """Write the fixed values into the SQL, so that partial indexes fit it; only PostgreSQL needs that.

    There the plan is made before the values are known, and an index for open slots serves only a statement
    that says "open".
    """
    if connection.vendor != "postgresql":
        return sql, names, list(given)
    operations: Any = connection.ops
    literal = operations.compose_sql
    texts = tuple(
        "%s" if name is not None else literal("%s", [value]).replace("%", "%%")
        for name, value in zip(names, given, strict=True)
    )
    left = [name for name in names if name is not None]
    return QUALIFIED.sub(r"\1.\2", sql) % texts, list(left), [None] * len(left)
