"""Check a page for accessibility with axe-core, inside the browser."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong on a page as it stands: the rule, what it wants, and where.

    The script comes in by the debugger, so the page's content security policy stays as it is.
    """
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(SCRIPT.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run(document, {runOnly: {type: 'tag', values: rules}, resultTypes: ['violations']})",
        RULES,
    )
    return [
        f"{each['id']} ({each['impact']}): {each['help']}: "
        + "; ".join(" ".join(map(str, node["target"])) for node in each["nodes"][:4])
        for each in found["violations"]
    ]
