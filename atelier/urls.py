"""All URLs."""

from django.urls import include, path

from atelier import views
from atelier.api import api

urlpatterns = [
    path("", views.home, name="home"),
    path("health", views.health, name="health"),
    path("", include("atelier.accounts.urls")),
    path("", include("atelier.audit.urls")),
    path("", include("atelier.deletions.urls")),
    path("projects/<int:project_id>/", views.project_home, name="project"),
    path("projects/<int:project_id>/running", views.running, name="running"),
    path("projects/<int:project_id>/", include("atelier.webhooks.urls")),
    path("projects/<int:project_id>/", include("curation.urls")),
    path("projects/<int:project_id>/", include("training.urls")),
    path("projects/<int:project_id>/", include("inference.urls")),
    path("api/", api.urls),
]

handler400 = "atelier.views.bad_request"
handler403 = "atelier.views.forbidden"
handler404 = "atelier.views.not_found"
handler500 = "atelier.views.server_error"
