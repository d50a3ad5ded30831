from django.urls import path, re_path

from curation.views import annotate, annotate_questions, annotate_queue

urlpatterns = [
    path("annotate/<int:dataset_id>/", annotate.page, name="annotate"),
    path("annotate/<int:dataset_id>/ahead", annotate.ahead, name="annotate_ahead"),
    path("annotate/<int:dataset_id>/undo", annotate.undo, name="annotate_undo"),
    re_path(
        r"^annotate/(?P<dataset_id>\d+)/tasks/(?P<annotation_id>\d+)/(?P<move>draft|submit|skip)$",
        annotate.answer,
        name="annotate_answer",
    ),
    path("data/<int:dataset_id>/questions", annotate_questions.index, name="questions"),
    path("data/<int:dataset_id>/questions/new", annotate_questions.new, name="new_question"),
    path("data/<int:dataset_id>/questions/<int:question_id>", annotate_questions.edit, name="question"),
    path("data/<int:dataset_id>/questions/<int:question_id>/delete", annotate_questions.delete, name="delete_question"),
    path("data/<int:dataset_id>/questions/<int:question_id>/move", annotate_questions.move, name="move_question"),
    path("data/<int:dataset_id>/queue", annotate_queue.page, name="queue"),
    path("data/<int:dataset_id>/queue/fill", annotate_queue.fill, name="fill_queue"),
    path("data/<int:dataset_id>/queue/assign", annotate_queue.assign, name="assign_queue"),
]
