from django.urls import path

from curation.views import pictures

urlpatterns = [
    path("data/<int:dataset_id>/pictures", pictures.page, name="pictures"),
    path("data/<int:dataset_id>/pictures/points", pictures.points, name="map_points"),
    path("data/<int:dataset_id>/pictures/points/<int:pk>", pictures.point, name="map_point"),
    path("data/<int:dataset_id>/pictures/choose", pictures.choose, name="choose_on_map"),
    path("data/<int:dataset_id>/selections", pictures.selections, name="selections"),
    path("data/<int:dataset_id>/selections/<int:pk>/rename", pictures.rename, name="rename_selection"),
    path("data/<int:dataset_id>/selections/<int:pk>/delete", pictures.delete, name="delete_selection"),
]
