from django.urls import path

from atelier.deletions import views

urlpatterns = [
    path("teams/<int:team_id>/deletions/<int:pk>", views.page, name="project_deletion"),
    path("teams/<int:team_id>/deletions/<int:pk>/progress", views.progress, name="project_deletion_progress"),
    path("teams/<int:team_id>/deletions/<int:pk>/retry", views.retry, name="retry_project_deletion"),
]
