from django.urls import path

from curation.views import finding

urlpatterns = [
    path("data/<int:dataset_id>/complete", finding.complete, name="complete_search"),
    path("data/<int:dataset_id>/filters", finding.index, name="saved_filters"),
    path("data/<int:dataset_id>/filters/<int:pk>/rename", finding.rename, name="rename_filter"),
    path("data/<int:dataset_id>/filters/<int:pk>/delete", finding.delete, name="delete_filter"),
]
