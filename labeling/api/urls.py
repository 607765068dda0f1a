"""Addresses of the labeling side's JSON interface, under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from labeling.api import (
    agreement,
    assignments,
    batches,
    labelers,
    prompts,
    quality,
    questions,
    receipts,
    skips,
    tasks,
    tokens,
    use_cases,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("tasks/next/", tasks.Next.as_view(), name="api-task-next"),
    path("assignments/<uuid:code>/", assignments.Detail.as_view(), name="api-assignment"),
    path("assignments/<uuid:code>/draft/", assignments.Draft.as_view(), name="api-assignment-draft"),
    path("assignments/<uuid:code>/submit/", assignments.Submit.as_view(), name="api-assignment-submit"),
    path("assignments/<uuid:code>/reports/", assignments.Reports.as_view(), name="api-assignment-reports"),
    path("assignments/<uuid:code>/skip/", assignments.SkipIt.as_view(), name="api-assignment-skip"),
    path(
        "assignments/<uuid:code>/heartbeat/", assignments.Heartbeat.as_view(), name="api-assignment-heartbeat"
    ),
    path("tasks/skipped/", skips.SkippedTasks.as_view(), name="api-tasks-skipped"),
    path("tasks/<uuid:code>/put-back/", skips.PutBack.as_view(), name="api-task-put-back"),
    path("receipts/", receipts.ReceiptList.as_view(), name="api-receipts"),
    path("receipts/<uuid:code>/undo/", receipts.Undo.as_view(), name="api-receipt-undo"),
    path("receipts/<uuid:code>/reopen/", receipts.Reopen.as_view(), name="api-receipt-reopen"),
    path("preferences/", receipts.Preferences.as_view(), name="api-preferences"),
    path(
        "guidelines/<uuid:code>/acknowledge/",
        receipts.Acknowledge.as_view(),
        name="api-guideline-acknowledge",
    ),
    path("questions/", questions.QuestionList.as_view(), name="api-questions"),
    path("questions/<uuid:code>/", questions.QuestionDetail.as_view(), name="api-question"),
    path("questions/<uuid:code>/answer/", questions.Answer.as_view(), name="api-question-answer"),
    path("questions/<uuid:code>/pin/", questions.Pin.as_view(), name="api-question-pin"),
    path("questions/<uuid:code>/merge/", questions.Merge.as_view(), name="api-question-merge"),
    path("use-cases/", use_cases.UseCaseList.as_view(), name="api-use-cases"),
    path("use-cases/<uuid:code>/retire/", use_cases.Retire.as_view(), name="api-use-case-retire"),
    path("prompts/", prompts.PromptList.as_view(), name="api-prompts"),
    path("prompts/<uuid:code>/", prompts.PromptDetail.as_view(), name="api-prompt"),
    path("batches/", batches.BatchList.as_view(), name="api-batches"),
    path("batches/<uuid:code>/", batches.BatchDetail.as_view(), name="api-batch"),
    path("batches/<uuid:code>/tasks/", batches.Tasks.as_view(), name="api-batch-tasks"),
    path("batches/<uuid:code>/open/", batches.Open.as_view(), name="api-batch-open"),
    path("batches/<uuid:code>/close/", batches.Close.as_view(), name="api-batch-close"),
    path("labelers/", labelers.LabelerList.as_view(), name="api-labelers"),
    path("labelers/invitations/", labelers.Invitations.as_view(), name="api-invitations"),
    path("labelers/<uuid:code>/", labelers.LabelerDetail.as_view(), name="api-labeler"),
    path("labelers/<uuid:code>/pause/", labelers.Pause.as_view(), name="api-labeler-pause"),
    path("labelers/<uuid:code>/resume/", labelers.Resume.as_view(), name="api-labeler-resume"),
    path(
        "labelers/<uuid:code>/qualifications/<str:kind>/",
        labelers.Qualification.as_view(),
        name="api-labeler-qualification",
    ),
    path("agreement/", agreement.Agreement.as_view(), name="api-agreement"),
    path("quality/<slug:section>/", quality.Quality.as_view(), name="api-quality"),
    path("quality/labelers/<uuid:code>/", quality.LabelerQuality.as_view(), name="api-quality-labeler"),
    path("tokens/", tokens.Tokens.as_view(), name="api-tokens"),
]
