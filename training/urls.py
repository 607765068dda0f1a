"""Addresses of the researchers' pages."""

from django.urls import URLPattern, URLResolver, path

from training.views import (
    dashboard,
    datasets,
    evaluations,
    models,
    rounds,
    run_comparison,
    runs,
    workers,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("dashboard/", dashboard.dashboard, name="dashboard"),
    path("datasets/", datasets.dataset_list, name="dataset-list"),
    path("datasets/freeze/", datasets.dataset_freeze, name="dataset-freeze"),
    path("datasets/<uuid:code>/", datasets.dataset_detail, name="dataset-detail"),
    path("datasets/<uuid:code>/compare/", datasets.dataset_compare, name="dataset-compare"),
    path("datasets/<uuid:code>/<slug:split>.jsonl", datasets.dataset_part, name="dataset-part"),
    path("runs/", runs.run_list, name="run-list"),
    path("runs/new/<slug:stage>/", runs.run_create, name="run-create"),
    path("runs/compare/", run_comparison.run_compare, name="run-compare"),
    path("runs/compare/points/", run_comparison.run_compare_points, name="run-compare-points"),
    path("runs/<uuid:code>/", runs.run_detail, name="run-detail"),
    path("runs/<uuid:code>/points/", runs.run_points, name="run-points"),
    path("runs/<uuid:code>/points.csv", runs.run_points_file, name="run-points-file"),
    path("runs/<uuid:code>/priority/", runs.run_priority, name="run-priority"),
    path("runs/<uuid:code>/cancel/", runs.run_cancel, name="run-cancel"),
    path("runs/<uuid:code>/retry/", runs.run_retry, name="run-retry"),
    path("workers/", workers.worker_list, name="worker-list"),
    path("models/", models.model_list, name="model-list"),
    path("models/import/", models.model_import, name="model-import"),
    path("models/<uuid:code>/", models.model_detail, name="model-detail"),
    path("models/<uuid:code>/card.md", models.model_card, name="model-card"),
    path("models/<uuid:code>/model.tar", models.model_export, name="model-export"),
    path("models/<uuid:code>/decide/<slug:decision>/", models.model_decide, name="model-decide"),
    path("models/<uuid:code>/sample/", models.model_sample, name="model-sample"),
    path("rounds/", rounds.round_list, name="round-list"),
    path("rounds/new/", rounds.round_create, name="round-create"),
    path("rounds/<uuid:code>/", rounds.round_detail, name="round-detail"),
    path("rounds/<uuid:code>/steps/<slug:key>/", rounds.round_step, name="round-step"),
    path("evaluations/", evaluations.evaluation_list, name="evaluation-list"),
    path("evaluations/new/", evaluations.evaluation_create, name="evaluation-create"),
    path("evaluations/<uuid:code>/", evaluations.evaluation_detail, name="evaluation-detail"),
]
