"""What the documents say is there: variables, commands of Django, targets of the Makefile."""

import re
from pathlib import Path

from django.core.management import get_commands

ROOT = Path(__file__).resolve().parents[1]
OPERATIONS = ROOT / "docs" / "operations.md"
ENV_EXAMPLE = ROOT / ".env.example"
READERS = ("text", "required", "yes_or_no", "whole_number", "choice", "words", "url")


def documented_pages() -> dict[str, str]:
    """Return the text of every page that a person follows, by its name."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    return {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in pages if page.is_file()}


def example_variables() -> set[str]:
    """Return the variables of .env.example, those commented out included."""
    return set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", ENV_EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))


def read_variables() -> set[str]:
    """Return the variables that the settings read."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "server").rglob("*.py")]
    pattern = re.compile(rf'env\.(?:{"|".join(READERS)})\(\s*"([A-Z0-9_]+)"')
    return {name for source in sources for name in pattern.findall(source)}


def makefile_targets() -> set[str]:
    """Return the targets that `make` lists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))


def test_every_variable_that_settings_read_is_in_the_example_file() -> None:
    found = read_variables()

    assert len(found) > 10
    assert found - example_variables() == set()


def test_every_variable_of_the_example_file_is_documented() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", OPERATIONS.read_text(encoding="utf-8")))

    assert example_variables() - documented == set()


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = makefile_targets()
    named = {
        (page, target)
        for page, text in documented_pages().items()
        for target in re.findall(r"(?:`|^|[A-Z_]+=\S+ )make ([a-z][a-z-]*)", text, re.MULTILINE)
    }

    assert len(targets) > 10
    assert {(page, target) for page, target in named if target not in targets} == set()


def test_every_command_that_a_document_names_exists() -> None:
    commands = get_commands()
    named = {
        (page, command)
        for page, text in documented_pages().items()
        for command in re.findall(r"manage\.py ([a-z_]+)", text)
    }

    assert {(page, command) for page, command in named if command not in commands} == set()


def test_every_row_of_a_table_stands_below_a_heading() -> None:
    orphans = []
    for page, text in documented_pages().items():
        lines = ["", *re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL).splitlines(), ""]
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            if line.startswith("|") and not before.startswith("|") and not re.match(r"\|[ :|-]+\|$", after):
                orphans.append((page, line[:60]))

    assert orphans == []


def test_every_own_command_is_in_the_table_of_commands() -> None:
    own = {name for name, app in get_commands().items() if app in ("labeling", "training")}
    listed = set(re.findall(r"^\| `([a-z_]+)", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE))

    assert own - listed == set()
