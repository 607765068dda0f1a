"""The playground: talk to policies, side by side, before and after training, or blind with a vote."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError, NotFound
from labeling.rules.access import Action, can, sees_policies
from labeling.rules.prompt_sources import current_notice
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.playground import OFFERED, StartForm
from training.models import Conversation, Model
from training.rules import playground
from training.rules.playground_policies import talkers
from training.rules.playground_reading import conversations_of, look_at
from training.rules.playground_votes import standings, vote
from training.tasks import enqueue_turn

ROWS = 20


@require(Action.USE_PLAYGROUND)
def playground_start(request: PageRequest) -> HttpResponseBase:
    """Start a conversation with its first prompt, and find the earlier ones."""
    notice, tells_names = current_notice(), sees_policies(request.user)
    words = request.GET.get("q", "").strip()
    form = StartForm(
        request.POST or None,
        notice=notice,
        tells_names=tells_names,
        words=words,
        chosen=_named_model(request.GET.get("model", "")),
        initial={"mode": request.GET.get("mode", Conversation.Mode.OPEN)},
    )
    if form.is_valid():
        try:
            given = playground.start_conversation(owner=request.user, **form.settings())
            turn = playground.send_prompt(
                conversation=given, text=form.cleaned_data["prompt"], by=request.user, number=1
            )
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            enqueue_turn(turn)
            return redirect("playground-conversation", given.code)
    context = {
        "form": form,
        "finds": tells_names and (bool(words) or talkers().count() > OFFERED),
        "notice": notice,
        "tells_names": tells_names,
        "words": words,
        "has_policies": talkers().exists(),
        "has_worker": playground.has_worker(),
        "may_see_models": can(request.user, Action.SEE_MODELS),
        "may_publish": can(request.user, Action.PUBLISH_TERMS),
        "page": one_page(request, conversations_of(request.user), ROWS),
    }
    return render(request, "playground/start.html", context, status=422 if form.errors else 200)


@require(Action.USE_PLAYGROUND)
def playground_conversation(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a conversation; send its next prompt."""
    given = _mine(request, code)
    text, wrong = "", ""
    if request.method == "POST":
        text = request.POST.get("prompt", "")
        try:
            if version := request.POST.get("consent", ""):
                given = playground.agree(conversation=given, consent=int(version), by=request.user)
            number = request.POST.get("number", "")
            turn = playground.send_prompt(
                conversation=given, text=text, by=request.user, number=int(number) if number else None
            )
        except LabelingError as error:
            wrong = error.message
        except ValueError:
            wrong = "This form is damaged; reload the page."
        else:
            enqueue_turn(turn)
            address = reverse("playground-conversation", args=[code])
            return redirect(f"{address}#turn-{turn.number}")
    seen = look_at(given, request.user)
    context = {
        "seen": seen,
        "conversation": given,
        "next_number": len(seen.turns) + 1,
        "text": text,
        "wrong": wrong,
        "new_notice": current_notice() if playground.has_newer_notice(given) else None,
        "may_see_models": can(request.user, Action.SEE_MODELS),
        "tells_names": sees_policies(request.user),
    }
    name = "playground/conversation.html"
    if request.htmx and request.GET.get("part") == "turns":
        name += "#turns"
    return render(request, name, context, status=422 if wrong else 200)


@require(Action.USE_PLAYGROUND)
def playground_progress(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give what was written since: `at` names each reply with its attempt and how much is known of it."""
    seen = look_at(_mine(request, code), request.user)
    known = dict(_cursor(at) for at in request.GET.getlist("at"))
    replies = []
    for reply in seen.turns[-1].replies if seen.turns else ():
        attempt, start = known.get(str(reply.code), (reply.attempt, 0))
        start = start if attempt == reply.attempt and start <= len(reply.text) else 0
        replies.append(
            {
                "code": str(reply.code),
                "attempt": reply.attempt,
                "start": start,
                "text": reply.text[start:],
                "length": len(reply.text),
                "label": reply.label,
                "is_ended": reply.is_ended or reply.is_silent,
            }
        )
    is_moving = any(not reply["is_ended"] for reply in replies)
    return JsonResponse({"is_moving": is_moving, "note": seen.note, "replies": replies})


@require_POST
@require(Action.USE_PLAYGROUND)
def playground_stop(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Stop what is being written; the words so far stay."""
    playground.cancel_replies(conversation=_mine(request, code), by=request.user)
    return redirect("playground-conversation", code)


@require_POST
@require(Action.USE_PLAYGROUND)
def playground_retry(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Ask for one reply again."""
    try:
        reply = playground.reply_of(request.user, code)
    except NotFound:
        raise Http404 from None
    try:
        turn = playground.retry_reply(reply=reply, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        enqueue_turn(turn)
    return redirect("playground-conversation", reply.turn.conversation.code)


@require_POST
@require(Action.USE_PLAYGROUND)
def playground_vote(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Vote on a blind conversation; the names come afterwards."""
    try:
        vote(conversation=_mine(request, code), choice=request.POST.get("choice", ""), by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    return redirect("playground-conversation", code)


@require_POST
@require(Action.USE_PLAYGROUND)
def playground_erase(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Delete the words of a conversation."""
    rows = Conversation.objects.filter(pk=_mine(request, code).pk)
    playground.erase_conversations(rows, by=request.user)
    messages.success(request, "The words of that conversation are deleted.")
    return redirect("playground")


@require(Action.USE_PLAYGROUND)
def playground_notice(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show the notice that this person agreed to."""
    given = _mine(request, code)
    if given.notice is None:
        raise Http404
    return render(request, "playground/notice.html", {"conversation": given, "notice": given.notice})


@require(Action.SEE_DASHBOARD)
def playground_votes(request: PageRequest) -> HttpResponseBase:
    """Show how policies fare in blind votes, those with enough of them."""
    context = {"rows": standings(), "least": settings.PLAYGROUND_VOTES_SHOWN}
    return render(request, "playground/votes.html", context)


def _mine(request: PageRequest, code: UUID) -> Conversation:
    try:
        return playground.conversation_of(request.user, code)
    except NotFound:
        raise Http404 from None


def _named_model(code: str) -> Model | None:
    try:
        return talkers().filter(code=UUID(code)).first()
    except ValueError:
        return None


def _cursor(at: str) -> tuple[str, tuple[int, int]]:
    """Read "code:attempt:length"; what is no cursor is at the beginning."""
    code, _, rest = at.partition(":")
    attempt, _, length = rest.partition(":")
    if not (attempt.isdecimal() and length.isdecimal() and len(rest) < 30):
        return code, (0, 0)
    return code, (int(attempt), int(length))
