from django.urls import path

from curation.views import activity, bulk_wishes, records

urlpatterns = [
    path("data/<int:dataset_id>/bulk/<slug:action>", bulk_wishes.page, name="bulk_form"),
    path("data/<int:dataset_id>/bulk/<slug:action>/count", bulk_wishes.count, name="bulk_count"),
    path("data/<int:dataset_id>/records/<int:pk>/merge", records.merge, name="merge_record"),
    path("data/<int:dataset_id>/activity", activity.page, name="activity"),
]
