from django.urls import path

from curation.views import bulk_wishes

urlpatterns = [
    path("data/<int:dataset_id>/bulk/<slug:action>", bulk_wishes.page, name="bulk_form"),
    path("data/<int:dataset_id>/bulk/<slug:action>/count", bulk_wishes.count, name="bulk_count"),
]
