"""What a run says while it works: its log as it grows, and its answers to the same prompts over time."""

from uuid import UUID

from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render

from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from training.models import Run
from training.rules import run_log, run_samples


@require(Action.SEE_MODELS)
def run_log_page(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show the end of a log; while the run works, what follows is asked for from a cursor on."""
    run = get_object_or_404(Run, code=code)
    after = request.GET.get("after", "")
    if request.htmx and after.isdigit():
        part = run_log.part_after(run, int(after))
        return render(request, "runs/log.html#more", {"run": run, "part": part})
    return render(request, "runs/log.html", {"run": run, "part": run_log.newest_part(run)})


@require(Action.SEE_MODELS)
def run_log_file(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give the log as it was printed."""
    run = get_object_or_404(Run, code=code)
    response = StreamingHttpResponse(run_log.whole_log(run), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.log"'
    return response


@require(Action.SEE_MODELS)
def run_samples_page(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show the policy's answers to the same prompts at two steps, with what changed between them."""
    run = get_object_or_404(Run, code=code)
    steps = run_samples.steps_sampled(run)
    context: dict[str, object] = {"run": run, "steps": steps, "watched": []}
    if steps:
        chosen = (request.GET.get("earlier", ""), request.GET.get("later", ""))
        earlier, later = run_samples.chosen_steps(steps, *chosen)
        watched = run_samples.watched_prompts(run, earlier, later)
        context |= {"earlier": earlier, "later": later, "watched": watched}
    return render(request, "runs/samples.html", context)
