"""The tags that prompts carry: flags that people answered about them."""

from labeling.models import Form, Prompt
from labeling.rules.form_texts import FORMS

LOOKED_AT = 2000


def known_tags() -> list[str]:
    """Return the names of tags: those that forms ask about or depend on, and those of the newest prompts."""
    schemas = [*FORMS.values(), *Form.objects.values_list("schema", flat=True)]
    names = {
        str(flag[key])
        for schema in schemas
        for part, key in (("flags", "when"), ("prompt_flags", "key"))
        for flag in schema.get(part, [])
        if flag.get(key)
    }
    for tags in Prompt.objects.exclude(tags={}).order_by("-pk").values_list("tags", flat=True)[:LOOKED_AT]:
        names |= set(tags)
    return sorted(names)
