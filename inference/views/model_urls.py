from django.urls import path

from inference.views import models

urlpatterns = [
    path("models/", models.models, name="models"),
    path("models/deploy", models.deploy, name="deploy"),
    path("models/<int:pk>/take-down", models.take_down, name="take_down"),
]
