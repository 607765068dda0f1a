"""No staff page or endpoint changes anything without an audit row: whatever writes leads to `audit.record`.

Read from the code, so that a new view is checked the day it is written: which functions it calls, which those
call, until one of them records.
"""

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import labeling
import training

RECORD = "labeling.rules.audit.record"
WRITES = {"post", "put", "patch", "delete"}
CHANGES_NOTHING = {
    "labeling.views.batch_previews.draft_preview": "shows a task and rolls it back",
    "labeling.views.work.preview": "renders Markdown",
}
Calls = dict[str, set[str]]


def modules() -> Iterator[ModuleType]:
    for package in (labeling, training):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations" in found.name or found.name.startswith("training.rlhf"):
                continue
            yield importlib.import_module(found.name)


def read(module: ModuleType) -> tuple[Calls, list[str]]:
    """Return what each function of a module calls, and which of them are staff's ways to write."""
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    name = module.__name__
    imports = _imports(tree)
    local = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    calls: Calls = {f"{name}.{alias}": {target} for alias, target in imports.items()}  # as others import it
    writers: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            calls[f"{name}.{node.name}"] = _called(node, name, imports, local, "")
            if _is_view(node):
                writers.append(f"{name}.{node.name}")
        elif isinstance(node, ast.ClassDef):
            bases = {f"{name}.{base.id}" for base in node.bases if isinstance(base, ast.Name)}
            calls[f"{name}.{node.name}"] = set(bases)
            for method in (part for part in node.body if isinstance(part, ast.FunctionDef)):
                own = f"{name}.{node.name}.{method.name}"
                calls[own] = _called(method, name, imports, local, node.name)
                if ".api." in name and method.name in WRITES and _asks_staff(node, tree):
                    writers.append(own)
    return calls, writers


def _imports(tree: ast.Module) -> dict[str, str]:
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {(alias.asname or alias.name): f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _called(node: ast.AST, module: str, imports: dict[str, str], local: set[str], owner: str) -> set[str]:
    """Return every function named in a body, called there or handed on."""
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if part.id in imports:
                found.add(imports[part.id])
            elif part.id in local:
                found.add(f"{module}.{part.id}")
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            if part.value.id == "self" and owner:
                found.add(f"{module}.{owner}.{part.attr}")
            elif part.value.id in imports:
                found.add(f"{imports[part.value.id]}.{part.attr}")
    return found


def _is_view(node: ast.FunctionDef) -> bool:
    """True for a page of staff that can take a POST."""
    decorators = [ast.unparse(decorator) for decorator in node.decorator_list]
    is_staffs = any(text.startswith("require(Action.") and "LABEL)" not in text for text in decorators)
    takes_post = "require_POST" in decorators or "request.POST" in ast.unparse(node)
    return is_staffs and takes_post


def _asks_staff(node: ast.ClassDef, tree: ast.Module) -> bool:
    """True for an endpoint whose permission, or that of a class it builds on here, is an action of staff."""
    text = ast.unparse(node)
    for base in node.bases:
        parent = next(
            (part for part in tree.body if isinstance(part, ast.ClassDef) and part.name == ast.unparse(base)),
            None,
        )
        text += ast.unparse(parent) if parent else ""
    return "Requires(Action." in text.replace("Requires(Action.LABEL)", "")


def graph() -> tuple[Calls, list[str]]:
    calls: Calls = {}
    writers: list[str] = []
    for module in modules():
        more, found = read(module)
        calls |= more
        writers += found
    return calls, writers


CALLS, WRITERS = graph()


def leads_to_record(start: str) -> bool:
    seen, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name == RECORD:
            return True
        if name not in seen:
            seen.add(name)
            waiting += CALLS.get(name, ())
    return False


@pytest.mark.parametrize("writer", sorted(WRITERS))
def test_what_staff_change_leaves_an_audit_row(writer: str) -> None:
    if writer in CHANGES_NOTHING:
        pytest.skip(CHANGES_NOTHING[writer])
    assert leads_to_record(writer), f"{writer} writes, and no rule it calls records an audit row"


def test_the_walk_finds_the_ways_to_write_that_there_are() -> None:
    assert len(WRITERS) > 40
    for known in (
        "labeling.views.batches.batch_open",
        "labeling.views.reviews.review_detail",
        "labeling.api.batches.Open.post",
        "training.views.rounds.round_create",
    ):
        assert known in WRITERS


def test_the_walk_notices_a_view_that_records_nothing() -> None:
    assert not leads_to_record("labeling.views.audit.audit_list")
