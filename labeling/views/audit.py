"""What staff did: searched by person, action, object and day; as a page and as CSV."""

from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render

from labeling.forms.audit import AuditFilterForm
from labeling.rules import audit
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page

ROWS_A_PAGE = 50


@require(Action.SEE_AUDIT)
def audit_list(request: PageRequest) -> HttpResponseBase:
    """List audit rows, newest first."""
    form = AuditFilterForm(request.GET or None)
    data = form.cleaned_data if form.is_valid() else {}
    rows = audit.events(**{name: value for name, value in data.items() if value})
    if request.GET.get("format") == "csv" and (form.is_valid() or not form.is_bound):
        answer = StreamingHttpResponse(audit.csv_lines(rows), content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
        return answer
    query = request.GET.copy()
    for key in ("after", "before"):
        query.pop(key, None)
    query["format"] = "csv"
    context = {
        "form": form,
        "page": keyset_page(request, rows, key="-id", size=ROWS_A_PAGE),
        "is_filtered": any(data.values()),
        "csv_query": query.urlencode(),
    }
    return render(request, "audit/list.html", context)
