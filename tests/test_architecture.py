"""Imports go one way, and the web starts without torch."""

import subprocess
import sys
import textwrap
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
DOOR = "training.rlhf.config"
"""The one module of the torch core that Django may import; the rest is reached by starting a process."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("labeling", "server", "training", include_external_packages=True, cache_dir=None)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter in which importing torch and what is built on it fails."""
    blocked = """
        import importlib.abc, sys
        class Absent(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in {"torch", "transformers", "accelerate", "datasets", "peft"}:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        sys.meta_path.insert(0, Absent())
    """
    program = textwrap.dedent(blocked) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


def test_import_contracts_are_kept() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    answer = subprocess.run(
        [str(lint_imports), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_django_reaches_into_the_core_only_for_its_config(graph: grimp.ImportGraph) -> None:
    core = {"training.rlhf"} | graph.find_descendants("training.rlhf")
    imports = {
        (importer, module)
        for module in core - {DOOR}
        for importer in graph.find_modules_that_directly_import(module)
        if importer not in core
    }

    assert imports == set()


def test_core_knows_nothing_of_the_rest_of_training(graph: grimp.ImportGraph) -> None:
    core = {"training.rlhf"} | graph.find_descendants("training.rlhf")
    rest = graph.find_descendants("training") - core
    imports = {
        (module, found)
        for module in core
        for found in graph.find_modules_directly_imported_by(module)
        if found in rest
    }

    assert imports == set()


def test_config_of_the_core_needs_only_the_standard_library(graph: grimp.ImportGraph) -> None:
    reached = {DOOR} | graph.find_upstream_modules(DOOR)
    foreign = {
        name.partition(".")[0]
        for name in reached
        if name.partition(".")[0] not in sys.stdlib_module_names and not name.startswith("training")
    }

    assert foreign == set()


def test_web_starts_with_torch_absent() -> None:
    answer = run_python(
        """
        import os, pkgutil, importlib
        os.environ["DJANGO_SETTINGS_MODULE"] = "server.settings.test"
        import django
        django.setup()
        import labeling, training
        importlib.import_module("server.urls")
        for app in (labeling, training):
            for module in pkgutil.walk_packages(app.__path__, app.__name__ + "."):
                if not module.name.startswith("training.rlhf"):
                    importlib.import_module(module.name)
        importlib.import_module("training.rlhf.config")
        """
    )

    assert answer.returncode == 0, answer.stderr


def test_fields_of_several_lines_are_areas_which_keep_the_line_ends_that_were_typed() -> None:
    named = {
        path.relative_to(ROOT).as_posix()
        for app in ("labeling", "training")
        for path in (ROOT / app).rglob("*.py")
        if "forms.Textarea" in path.read_text(encoding="utf-8")
    }
    assert named == {"labeling/forms/areas.py"}
