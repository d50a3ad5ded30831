from django.urls import path

from tests.ui_gallery import views

urlpatterns = [
    path("", views.page, {"name": "components"}, name="home"),
    path("account", views.page, {"name": "form"}, name="account"),
    path("sign-out", views.nothing, name="sign_out"),
    path("teams/<int:team_id>", views.page, {"name": "form"}, name="team"),
    path("projects/<int:project_id>/", views.page, {"name": "home"}, name="project"),
    path("sign-in", views.page, {"name": "sign_in"}),
    path("running", views.running),
    path("job", views.job),
    path("confirm", views.confirm),
    path("stream/<int:number>", views.stream),
    path("loss.json", views.loss),
    path("nothing", views.nothing, name="nothing"),
    path("error/<int:status>", views.error),
    path("<str:name>/", views.page, name="page"),
]
