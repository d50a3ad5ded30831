from django.contrib.auth.views import LogoutView
from django.urls import path

from atelier.accounts import views

urlpatterns = [
    path("sign-in", views.sign_in, name="sign_in"),
    path("sign-out", LogoutView.as_view(), name="sign_out"),
    path("register", views.register, name="register"),
    path("account", views.account, name="account"),
    path("teams/new", views.new_team, name="new_team"),
    path("teams/<int:team_id>", views.team, name="team"),
    path("teams/<int:team_id>/members", views.add_member, name="add_member"),
    path("teams/<int:team_id>/members/<int:pk>", views.change_member, name="change_member"),
    path("teams/<int:team_id>/keys", views.add_key, name="add_key"),
    path("teams/<int:team_id>/keys/<int:pk>/revoke", views.revoke_key, name="revoke_key"),
    path("teams/<int:team_id>/projects/new", views.new_project, name="new_project"),
    path("projects/<int:project_id>/settings", views.project_settings, name="project_settings"),
    path("projects/<int:project_id>/settings/delete", views.delete_project, name="delete_project"),
]
