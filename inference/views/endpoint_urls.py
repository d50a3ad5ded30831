from django.urls import path

from inference.views import endpoints

urlpatterns = [
    path("settings/endpoints/", endpoints.index, name="endpoints"),
    path("settings/endpoints/new/<slug:kind>", endpoints.new, name="new_endpoint"),
    path("settings/endpoints/from-environment", endpoints.from_environment, name="environment_endpoint"),
    path("settings/endpoints/<int:pk>", endpoints.edit, name="endpoint"),
    path("settings/endpoints/<int:pk>/try", endpoints.try_out, name="try_endpoint"),
    path("settings/endpoints/<int:pk>/archive", endpoints.archive, name="archive_endpoint"),
    path("settings/endpoints/<int:pk>/restore", endpoints.restore, name="restore_endpoint"),
]
