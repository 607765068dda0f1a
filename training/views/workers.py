"""Workers: who is alive, on what device, doing what."""

from django.http import HttpResponseBase
from django.shortcuts import render

from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from training.models import Run
from training.rules import workers
from training.rules.clock import is_clock_silent


@require(Action.SEE_MODELS)
def worker_list(request: PageRequest) -> HttpResponseBase:
    """List workers with what each does, and the runs that wait; refreshed every few seconds."""
    found = workers.presences()
    context = {
        "presences": found,
        "unheard": workers.queues_without_workers(found),
        "is_clock_silent": is_clock_silent(),
        "waiting": Run.objects.queued().order_by("queue", "-priority", "pk")[:50],
    }
    template = "workers/list.html#workers" if request.htmx else "workers/list.html"
    return render(request, template, context)
