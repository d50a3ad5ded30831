from django.urls import path, re_path

from training.views import pulls, runs

app_name = "training"
urlpatterns = [
    path("train/", runs.run_list, name="runs"),
    path("train/new", runs.new_run, name="new_run"),
    path("train/<int:pk>/", runs.run, name="run"),
    path("train/<int:pk>/live", runs.live, name="run_live"),
    path("train/<int:pk>/log", runs.log, name="run_log"),
    path("train/<int:pk>/chart", runs.chart, name="run_chart"),
    path("train/<int:pk>/metrics", runs.metrics_download, name="run_metrics"),
    re_path(r"^train/(?P<pk>\d+)/(?P<move>cancel|pause|resume|stop)$", runs.move, name="move_run"),
    path("models/fetch", pulls.start_pull, name="start_pull"),
    path("models/fetch/<int:pk>/", pulls.pull, name="pull"),
    re_path(r"^models/fetch/(?P<pk>\d+)/(?P<move>cancel|resume)$", pulls.move_pull, name="move_pull"),
]
