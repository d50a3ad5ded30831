from django.urls import include, path

app_name = "curation"
urlpatterns = [
    path("", include("curation.views.data_urls")),
    path("", include("curation.views.check_urls")),
    path("", include("curation.views.find_urls")),
    path("", include("curation.views.picture_urls")),
    path("", include("curation.views.bulk_urls")),
    path("", include("curation.views.distil_urls")),
    path("", include("curation.views.annotate_urls")),
    path("", include("curation.views.together_urls")),
]
