from django.urls import path

from atelier.audit import views

urlpatterns = [
    path("teams/<int:team_id>/audit", views.of_team, name="team_audit"),
    path("teams/<int:team_id>/audit.csv", views.team_file, {"form": "csv"}, name="team_audit_csv"),
    path("teams/<int:team_id>/audit.jsonl", views.team_file, {"form": "jsonl"}, name="team_audit_jsonl"),
    path("installation/audit", views.of_installation, name="installation_audit"),
    path("installation/audit.csv", views.installation_file, {"form": "csv"}, name="installation_audit_csv"),
    path("installation/audit.jsonl", views.installation_file, {"form": "jsonl"}, name="installation_audit_jsonl"),
]
