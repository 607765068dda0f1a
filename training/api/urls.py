"""Addresses of the training side's JSON interface, under /api/v1/."""

from django.urls import URLPattern, URLResolver, path

from training.api import (
    benchmarks,
    costs,
    datasets,
    evaluations,
    lineage,
    model_keeping,
    models,
    playground,
    rounds,
    runs,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("costs/", costs.Costs.as_view(), name="api-costs"),
    path("costs/rates/", costs.PayRates.as_view(), name="api-pay-rates"),
    path("costs/machine-rates/", costs.MachineRates.as_view(), name="api-machine-rates"),
    path("prompts/<uuid:code>/seen-by/", lineage.PromptSeenBy.as_view(), name="api-prompt-seen-by"),
    path("labelers/<uuid:code>/seen-by/", lineage.LabelerSeenBy.as_view(), name="api-labeler-seen-by"),
    path("rounds/own/", lineage.OwnRounds.as_view(), name="api-rounds-own"),
    path("datasets/", datasets.DatasetList.as_view(), name="api-datasets"),
    path("datasets/<uuid:code>/", datasets.DatasetDetail.as_view(), name="api-dataset"),
    path("datasets/<uuid:code>/records/", datasets.Records.as_view(), name="api-dataset-records"),
    path("datasets/<uuid:code>/parts/<slug:split>/", datasets.Part.as_view(), name="api-dataset-part"),
    path("runs/<uuid:code>/log/", runs.Log.as_view(), name="api-run-log"),
    path("runs/", runs.RunList.as_view(), name="api-runs"),
    path("runs/<uuid:code>/", runs.RunDetail.as_view(), name="api-run"),
    path("runs/<uuid:code>/points/", runs.Points.as_view(), name="api-run-points"),
    path("runs/<uuid:code>/cancel/", runs.Cancel.as_view(), name="api-run-cancel"),
    path("runs/<uuid:code>/retry/", runs.Retry.as_view(), name="api-run-retry"),
    path("playground/votes/", playground.Standings.as_view(), name="api-playground-votes"),
    path("playground/conversations/", playground.ConversationList.as_view(), name="api-conversations"),
    path(
        "playground/conversations/<uuid:code>/",
        playground.ConversationDetail.as_view(),
        name="api-conversation",
    ),
    path(
        "playground/conversations/<uuid:code>/turns/",
        playground.Turns.as_view(),
        name="api-conversation-turns",
    ),
    path(
        "playground/conversations/<uuid:code>/stop/", playground.Stop.as_view(), name="api-conversation-stop"
    ),
    path(
        "playground/conversations/<uuid:code>/vote/",
        playground.CastVote.as_view(),
        name="api-conversation-vote",
    ),
    path("playground/replies/<uuid:code>/retry/", playground.Retry.as_view(), name="api-reply-retry"),
    path("models/", models.ModelList.as_view(), name="api-models"),
    path("models/<uuid:code>/", models.ModelDetail.as_view(), name="api-model"),
    path("models/<uuid:code>/promote/", model_keeping.Promote.as_view(), name="api-model-promote"),
    path("models/<uuid:code>/archive/", model_keeping.Archive.as_view(), name="api-model-archive"),
    path("models/<uuid:code>/restore/", model_keeping.Restore.as_view(), name="api-model-restore"),
    path(
        "models/<uuid:code>/delete-weights/",
        model_keeping.DeleteWeights.as_view(),
        name="api-model-delete-weights",
    ),
    path("models/<uuid:code>/card/", model_keeping.Card.as_view(), name="api-model-card"),
    path("models/<uuid:code>/export/", model_keeping.Export.as_view(), name="api-model-export"),
    path("rounds/", rounds.RoundList.as_view(), name="api-rounds"),
    path("rounds/<uuid:code>/", rounds.RoundDetail.as_view(), name="api-round"),
    path("rounds/<uuid:code>/gate/", rounds.OpenGate.as_view(), name="api-round-gate"),
    path("rounds/<uuid:code>/steps/<slug:key>/", rounds.StepIt.as_view(), name="api-round-step"),
    path("benchmarks/", benchmarks.BenchmarkList.as_view(), name="api-benchmarks"),
    path("benchmarks/tasks/", benchmarks.TaskList.as_view(), name="api-benchmark-tasks"),
    path("models/<uuid:code>/alignment-tax/", benchmarks.AlignmentTax.as_view(), name="api-model-tax"),
    path("evaluations/", evaluations.EvaluationList.as_view(), name="api-evaluations"),
    path("evaluations/<uuid:code>/", evaluations.EvaluationDetail.as_view(), name="api-evaluation"),
]
