from django.urls import path

from inference.views import evaluate

urlpatterns = [
    path("evaluate/", evaluate.evaluation_list, name="evaluations"),
    path("evaluate/new", evaluate.new_evaluation, name="new_evaluation"),
    path("evaluate/<int:pk>/", evaluate.evaluation_page, name="evaluation"),
    path("evaluate/<int:pk>/progress", evaluate.evaluation_progress, name="evaluation_progress"),
    path("evaluate/<int:pk>/delete", evaluate.delete_evaluation, name="delete_evaluation"),
    path("evaluate/<int:pk>/answers.<str:kind>", evaluate.download_evaluation, name="download_evaluation"),
    path("evaluate/<int:pk>/answers/<int:answer_pk>/diff", evaluate.row_diff, name="evaluation_diff"),
    path("evaluate/<int:pk>/<str:move>", evaluate.move_evaluation, name="move_evaluation"),
]
