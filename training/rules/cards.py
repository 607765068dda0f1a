"""The card of a dataset folder: what it holds, for people and for `datasets.load_dataset`.

The head of README.md names each part and the type of each value. Without types, a loader guesses from the
first records and fails on a later one in which a flag or a category appears for the first time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NAMES = {bool: "bool", int: "int64", float: "float64", str: "string"}


@dataclass
class Shape:
    """The type of a value, learned from every one that was seen."""

    name: str = ""
    fields: "dict[str, Shape]" = field(default_factory=dict)
    item: "Shape | None" = None

    def learn(self, value: Any) -> None:
        """Take one more value into account; whole numbers and fractions together are fractions."""
        if isinstance(value, dict):
            self.name = "struct"
            for key, inner in value.items():
                self.fields.setdefault(key, Shape()).learn(inner)
        elif isinstance(value, list):
            self.name = "list"
            self.item = self.item or Shape()
            for inner in value:
                self.item.learn(inner)
        elif value is not None:
            name = NAMES[type(value)]
            self.name = "float64" if {self.name, name} == {"int64", "float64"} else name

    def lines(self, indent: str) -> list[str]:
        """Return the type as YAML lines, to stand below a name."""
        if self.name == "struct":
            return [f"{indent}struct:", *self.members(indent)] if self.fields else [f"{indent}struct: []"]
        if self.name != "list":
            return [f"{indent}dtype: {self.name or 'string'}"]
        item = self.item or Shape()
        if item.name == "struct":
            return [f"{indent}list:", *item.members(indent)]
        return [f"{indent}list: {item.name or 'string'}"]

    def members(self, indent: str) -> list[str]:
        """Return the fields of a struct as YAML lines."""
        lines = []
        for name, shape in self.fields.items():
            lines += [f"{indent}- name: {json.dumps(name)}", *shape.lines(indent + "  ")]
        return lines


def card_of(manifest: Mapping[str, Any], shape: Shape) -> str:
    """Return the text of README.md."""
    counts = ", ".join(f"{part['rows']} {part['split']}" for part in manifest["parts"])
    head = ["---", "configs:", "- config_name: default", "  data_files:"]
    for part in manifest["parts"]:
        head += [f"  - split: {part['split']}", f"    path: {part['path']}"]
    head += ["dataset_info:", "  config_name: default", "  features:", *shape.members("  "), "---"]
    words = [
        f"# {manifest['name'] or manifest['kind']}",
        "",
        f"Frozen by InstructLoop: {counts}. Hash {manifest['hash']}.",
        "The manifest says what was selected and what was left out. Nothing here changes.",
        "",
    ]
    return "\n".join([*head, *words])
