from django.urls import path, re_path

from curation.views import adjudicate, agreement, comments, honeypots, progress, reviewing

HERE = "annotate/<int:dataset_id>"
RECORD = "data/<int:dataset_id>/records/<int:pk>"
urlpatterns = [
    path(f"{HERE}/disputes", adjudicate.index, name="disputes"),
    path(f"{HERE}/disputes/<int:task_id>", adjudicate.page, name="dispute"),
    path(f"{HERE}/disputes/<int:task_id>/undo", adjudicate.undo, name="undo_dispute"),
    path(f"{HERE}/reviewing", reviewing.page, name="reviewing"),
    re_path(
        r"^annotate/(?P<dataset_id>\d+)/reviewing/(?P<annotation_id>\d+)/(?P<move>accept|return|correct|unmark)$",
        reviewing.act,
        name="review_annotation",
    ),
    path(f"{HERE}/agreement", agreement.page, name="agreement"),
    path(f"{HERE}/agreement/measure", agreement.start, name="measure_agreement"),
    path("annotate/reports/<int:pk>", agreement.report, name="agreement_report"),
    path("annotate/reports/<int:pk>/progress", agreement.report_progress, name="agreement_progress"),
    re_path(r"^annotate/reports/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", agreement.move, name="agreement_move"),
    path(f"{HERE}/progress", progress.page, name="progress"),
    path(f"{HERE}/honeypots", honeypots.page, name="honeypots"),
    path(f"{HERE}/honeypots/<int:task_id>/retire", honeypots.retire, name="retire_honeypot"),
    path(f"{RECORD}/honeypot", honeypots.record, name="honeypot"),
    path(f"{RECORD}/comments", comments.add, name="add_comment"),
    re_path(
        r"^data/(?P<dataset_id>\d+)/records/(?P<pk>\d+)/comments/(?P<comment_id>\d+)/(?P<move>resolve|reopen)$",
        comments.settle,
        name="settle_comment",
    ),
    path("mentions/", comments.mentions, name="mentions"),
    path("mentions/read", comments.read, name="read_mentions"),
    path("mentions/names", comments.names, name="mention_names"),
]
