"""The URLs of the app, by noun: its table of contents. All are below projects/<project_id>/."""

from django.urls import path

from inference.views import deployments, endpoints, evaluations
from inference.views.comparisons import pages as comparison_pages
from inference.views.comparisons import replies

app_name = "inference"
urlpatterns = [
    # Endpoints
    path("settings/endpoints/", endpoints.index, name="endpoints"),
    path("settings/endpoints/new/<slug:kind>", endpoints.new, name="new_endpoint"),
    path("settings/endpoints/from-environment", endpoints.from_environment, name="environment_endpoint"),
    path("settings/endpoints/<int:pk>", endpoints.edit, name="endpoint"),
    path("settings/endpoints/<int:pk>/try", endpoints.try_out, name="try_endpoint"),
    path("settings/endpoints/<int:pk>/archive", endpoints.archive, name="archive_endpoint"),
    path("settings/endpoints/<int:pk>/restore", endpoints.restore, name="restore_endpoint"),
    # Deployments
    path("models/", deployments.models, name="models"),
    path("models/deploy", deployments.deploy, name="deploy"),
    path("models/<int:pk>/stop", deployments.stop_serving, name="stop_serving"),
    # Comparisons
    path("compare/", comparison_pages.comparison_list, name="comparisons"),
    path("compare/new", comparison_pages.new_comparison, name="new_comparison"),
    path("compare/<int:pk>/", comparison_pages.comparison, name="comparison"),
    path("compare/<int:pk>/say", comparison_pages.say, name="say"),
    path("compare/<int:pk>/delete", comparison_pages.delete_comparison, name="delete_comparison"),
    path("compare/<int:pk>/turns/<int:turn_pk>/vote", comparison_pages.vote, name="vote"),
    path("compare/<int:pk>/turns/<int:turn_pk>/preference", comparison_pages.keep_preference, name="keep_preference"),
    path("compare/<int:pk>/turns/<int:turn_pk>/diff", comparison_pages.turn_diff, name="turn_diff"),
    path("compare/<int:pk>/replies/<int:reply_pk>/", replies.reply, name="reply"),
    path("compare/<int:pk>/replies/<int:reply_pk>/stream", replies.stream, name="reply_stream"),
    path("compare/<int:pk>/replies/<int:reply_pk>/stop", replies.stop, name="stop_reply"),
    path("compare/<int:pk>/replies/<int:reply_pk>/regenerate", replies.regenerate, name="regenerate"),
    path("compare/<int:pk>/replies/<int:reply_pk>/save", comparison_pages.save_answer, name="save_answer"),
    # Evaluations
    path("evaluate/", evaluations.evaluation_list, name="evaluations"),
    path("evaluate/new", evaluations.new_evaluation, name="new_evaluation"),
    path("evaluate/<int:pk>/", evaluations.evaluation_page, name="evaluation"),
    path("evaluate/<int:pk>/progress", evaluations.evaluation_progress, name="evaluation_progress"),
    path("evaluate/<int:pk>/delete", evaluations.delete_evaluation, name="delete_evaluation"),
    path("evaluate/<int:pk>/answers.<str:kind>", evaluations.download_evaluation, name="download_evaluation"),
    path("evaluate/<int:pk>/answers/<int:answer_pk>/diff", evaluations.row_diff, name="evaluation_diff"),
    path("evaluate/<int:pk>/<str:move>", evaluations.move_evaluation, name="evaluation_move"),
]
