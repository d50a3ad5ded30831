from django.urls import include, path

app_name = "curation"
urlpatterns = [
    path("", include("curation.views.data_urls")),
    path("", include("curation.views.distil_urls")),
]
