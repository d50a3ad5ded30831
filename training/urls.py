"""The URLs of the app, by noun: its table of contents. All are below projects/<project_id>/."""

from django.urls import path, re_path

from training.views import archive, bases, runs

app_name = "training"
urlpatterns = [
    # Runs
    path("train/", runs.run_list, name="runs"),
    path("train/new", runs.new_run, name="new_run"),
    path("train/<int:pk>/", runs.run, name="run"),
    path("train/<int:pk>/progress", runs.progress, name="run_progress"),
    path("train/<int:pk>/log", runs.log, name="run_log"),
    path("train/<int:pk>/chart", runs.chart, name="run_chart"),
    path("train/<int:pk>/metrics", runs.metrics_download, name="run_metrics"),
    re_path(r"^train/(?P<pk>\d+)/(?P<move>cancel|pause|resume|stop)$", runs.move, name="run_move"),
    # The archive of runs and adapters
    re_path(r"^train/(?P<pk>\d+)/(?P<move>archive|unarchive)$", archive.move_run, name="archive_run"),
    path("train/<int:pk>/free/<slug:part>", archive.free, name="free_run"),
    re_path(r"^models/adapters/(?P<pk>\d+)/(?P<move>archive|unarchive)$", archive.move_adapter, name="archive_adapter"),
    # Downloads: `pull` in the code, as in REST and the command, for a download is a file that a browser gets
    path("models/count-with", bases.count_with, name="count_with"),
    path("models/downloads", bases.start_pull, name="start_pull"),
    path("models/downloads/<int:pk>/", bases.pull, name="pull"),
    path("models/downloads/<int:pk>/progress", bases.pull_progress, name="pull_progress"),
    re_path(r"^models/downloads/(?P<pk>\d+)/(?P<move>cancel|resume)$", bases.pull_move, name="pull_move"),
]
