from django.urls import include, path

app_name = "inference"
urlpatterns = [
    path("", include("inference.views.endpoint_urls")),
    path("", include("inference.views.model_urls")),
    path("", include("inference.views.compare_urls")),
    path("", include("inference.views.evaluate_urls")),
]
