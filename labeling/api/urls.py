"""Addresses of the labeling side's JSON interface, under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from labeling.api import agreement, assignments, batches, labelers, prompts, tasks, tokens

urlpatterns: list[URLPattern | URLResolver] = [
    path("tasks/next/", tasks.Next.as_view(), name="api-task-next"),
    path("assignments/<uuid:code>/", assignments.Detail.as_view(), name="api-assignment"),
    path("assignments/<uuid:code>/draft/", assignments.Draft.as_view(), name="api-assignment-draft"),
    path("assignments/<uuid:code>/submit/", assignments.Submit.as_view(), name="api-assignment-submit"),
    path("assignments/<uuid:code>/skip/", assignments.SkipIt.as_view(), name="api-assignment-skip"),
    path(
        "assignments/<uuid:code>/heartbeat/", assignments.Heartbeat.as_view(), name="api-assignment-heartbeat"
    ),
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
    path("tokens/", tokens.Tokens.as_view(), name="api-tokens"),
]
