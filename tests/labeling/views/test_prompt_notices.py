"""The notice that prompts are consented to under: published on a page, in versions."""

from django.urls import reverse

from labeling.models import AuditEvent, PromptNotice, User
from labeling.rules.prompt_sources import take_prompt
from tests.labeling.views.conftest import Visit


def test_notices_are_previewed_published_and_never_twice_the_same(mia: User, visit: Visit) -> None:
    client = visit(mia)
    assert "No notice yet" in client.get(reverse("prompt-notice-list")).content.decode()
    url = reverse("prompt-notice-publish")
    preview = client.post(url, {"body": "**May** train. <script>", "preview": "yes"}).content.decode()
    assert "<strong>May</strong> train. &lt;script&gt;" in preview
    assert not PromptNotice.objects.exists()
    assert client.post(url, {"body": "**May** train."}).status_code == 302
    assert client.post(url, {"body": "**May** train."}).status_code == 422
    assert client.post(url, {"body": " "}).status_code == 422
    assert client.post(url, {"body": "May train. Ask us to erase."}).status_code == 302
    assert AuditEvent.objects.filter(action="publish_prompt_notice", actor=mia).count() == 2
    assert "Ask us to erase" in client.get(url).content.decode()
    assert "<strong>May</strong>" in client.get(reverse("prompt-notice-detail", args=[1])).content.decode()


def test_each_version_says_how_many_prompts_were_given_under_it(mia: User, visit: Visit) -> None:
    client = visit(mia)
    client.post(reverse("prompt-notice-publish"), {"body": "May train."})
    take_prompt(text="Why is the sky blue?", author="org-1", source="api", consent=1)
    page = client.get(reverse("prompt-notice-list")).content.decode()
    assert 'data-label="Prompts">1</td>' in page


def test_only_those_who_publish_terms_publish_notices(dana: User, visit: Visit) -> None:
    assert visit(dana).post(reverse("prompt-notice-publish"), {"body": "Mine"}).status_code == 403
    assert "prompts/notices" not in visit(dana).get(reverse("prompt-list")).content.decode()
