from django.urls import path

from atelier.accounts import installation_views, invitation_views, session_views, views

INVITATION = "teams/<int:team_id>/invitations/<int:pk>"

urlpatterns = [
    path("sign-in", session_views.sign_in, name="sign_in"),
    path("sign-out", session_views.sign_out, name="sign_out"),
    path("register", session_views.register, name="register"),
    path("account", session_views.account, name="account"),
    path("installation", installation_views.installation, name="installation"),
    path("installation/owners", installation_views.change_owner, name="change_installation_owner"),
    path("teams/new", views.new_team, name="new_team"),
    path("teams/<int:team_id>", views.team, name="team"),
    path("teams/<int:team_id>/members", views.add_member, name="add_member"),
    path("teams/<int:team_id>/members/<int:pk>", views.change_member, name="change_member"),
    path("teams/<int:team_id>/leave", views.leave, name="leave_team"),
    path(f"{INVITATION}/accept", invitation_views.answer, {"move": "accept"}, name="accept_invitation"),
    path(f"{INVITATION}/decline", invitation_views.answer, {"move": "decline"}, name="decline_invitation"),
    path(f"{INVITATION}/withdraw", invitation_views.decide, {"move": "withdraw"}, name="withdraw_invitation"),
    path(f"{INVITATION}/let-in", invitation_views.decide, {"move": "let-in"}, name="let_in"),
    path(f"{INVITATION}/refuse", invitation_views.decide, {"move": "refuse"}, name="refuse_invitation"),
    path("teams/<int:team_id>/keys", views.add_key, name="add_key"),
    path("teams/<int:team_id>/keys/<int:pk>/revoke", views.revoke_key, name="revoke_key"),
    path("teams/<int:team_id>/projects/new", views.new_project, name="new_project"),
    path("projects/<int:project_id>/settings", views.project_settings, name="project_settings"),
    path("projects/<int:project_id>/settings/delete", views.delete_project, name="delete_project"),
]
