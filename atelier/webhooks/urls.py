from django.urls import path

from atelier.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("settings/webhooks/", views.index, name="index"),
    path("settings/webhooks/<int:pk>", views.page, name="webhook"),
    path("settings/webhooks/<int:pk>/secret", views.new_secret, name="new_secret"),
    path("settings/webhooks/<int:pk>/test", views.send_test, name="send_test"),
    path("settings/webhooks/<int:pk>/delete", views.delete, name="delete"),
    path("settings/webhooks/<int:pk>/deliveries/<int:delivery_id>", views.delivery, name="delivery"),
    path("settings/webhooks/<int:pk>/deliveries/<int:delivery_id>/again", views.send_again, name="send_again"),
]
