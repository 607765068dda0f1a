"""The form of a run has every setting of its stage, each with its meaning and what the paper says."""

import pytest
from django import forms
from django.test.html import parse_html
from pytest_django import DjangoAssertNumQueries

from training.forms.choices import LongSelect, LongSelectMultiple
from training.forms.runs import RunForm
from training.models import Model, Stage
from training.rlhf.config import describe

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("stage", Stage.values)
def test_every_setting_of_a_stage_is_a_field_with_its_meaning_and_the_papers_value(stage: str) -> None:
    form = RunForm(stage)
    on_page = [field.name for section in form.sections() for field in section.fields]
    on_page += [field.name for field in form.input_fields()]
    wanted = [field for field in describe(stage) if field.key != "stage"]
    assert sorted(on_page) == sorted(field.key for field in wanted)
    for field in wanted:
        text = str(form[field.key].help_text)
        assert field.help
        assert field.help in text
        if field.section != "inputs":
            assert (f"Paper: {field.paper}." if field.paper else "The paper does not say.") in text


def test_adapters_can_be_set_where_the_core_has_them() -> None:
    assert "lora.rank" in RunForm("sft").fields
    assert any(section.key == "lora" and "LoRA" in section.title for section in RunForm("sft").sections())


def test_a_long_list_of_choices_is_written_as_django_writes_it() -> None:
    choices = [("", "None"), ("a", "<b>bold</b>"), ("c", "plain")]
    for ours, theirs in ((LongSelect, forms.Select), (LongSelectMultiple, forms.SelectMultiple)):
        rendered = [
            kind(attrs={"id": "id_x", "required": True}, choices=choices).render("x", ["a"])
            for kind in (ours, theirs)
        ]
        assert parse_html(rendered[0]) == parse_html(rendered[1])
        assert "selected" in rendered[0]


def test_a_long_list_of_rows_is_required_as_django_has_it_without_reading_one(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for empty in (None, "There is none yet"):
        fields = [
            forms.ModelChoiceField(queryset=Model.objects.all(), widget=kind, empty_label=empty)
            for kind in (LongSelect, forms.Select)
        ]
        with django_assert_num_queries(0):
            ours = fields[0].widget.use_required_attribute(None)
        assert ours == fields[1].widget.use_required_attribute(None) == (empty is not None)
