from django.urls import path, re_path

from curation.views import checks

urlpatterns = [
    path("data/<int:dataset_id>/problems", checks.page, name="problems"),
    path("data/<int:dataset_id>/problems/<slug:code>/mend", checks.mend, name="mend_problem"),
    path("data/<int:dataset_id>/duplicates", checks.duplicates, name="duplicates"),
    path("data/<int:dataset_id>/duplicates/across", checks.leaks, name="leaks"),
    path("data/<int:dataset_id>/duplicates/<int:cluster_id>", checks.cluster, name="cluster"),
    path("data/<int:dataset_id>/checks/<slug:part>", checks.start, name="start_check"),
    path("data/checks/<int:pk>", checks.job, name="check"),
    path("data/checks/<int:pk>/progress", checks.progress, name="check_progress"),
    re_path(r"^data/checks/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", checks.move, name="check_move"),
]
