"""What is made for one kind of task each, as options of a select: grouped, so that pages show one kind's."""

from collections.abc import Iterable, Sequence

from django import forms

from labeling.models import AnchorSet, Form, Guideline, TaskKind

Rows = Iterable[tuple[str, int, str]]
Options = Sequence[tuple[str, str | Sequence[tuple[int, str]]]]


def group_by_kind(form: forms.Form) -> None:
    """Offer guidelines, forms and anchors, in the fields of those names, under the kind that each is for."""
    guidelines = Guideline.objects.values_list("kind", "pk", "version", "title")
    versions = Form.objects.values_list("kind", "pk", "version", "note")
    rows: dict[str, Rows] = {
        "guideline": [(kind, pk, f"Version {number}, {title}") for kind, pk, number, title in guidelines],
        "form": [
            (kind, pk, f"Version {number}, {note}" if note else f"Version {number}")
            for kind, pk, number, note in versions
        ],
        "anchor_set": AnchorSet.objects.current().values_list("kind", "pk", "name"),
    }
    for name, own in rows.items():
        field = form.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.choices = _options(own, str(field.empty_label))


def _options(rows: Rows, empty: str) -> Options:
    groups: dict[str, list[tuple[int, str]]] = {kind: [] for kind in TaskKind.values}
    for kind, value, words in rows:
        groups[kind].append((value, words))
    filled = [(str(TaskKind(kind).label), options) for kind, options in groups.items() if options]
    return [("", empty), *filled]
