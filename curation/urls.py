"""The URLs of the app, by noun: its table of contents. All are below projects/<project_id>/."""

from django.urls import path, re_path

from curation.views import charts, erasures, exports, quality, records, search
from curation.views.annotation import (
    agreement,
    comments,
    disagreements,
    honeypots,
    progress,
    questions,
    queue,
    review,
    spans,
    task,
)
from curation.views.bulk import form as bulk_form
from curation.views.bulk import pages as bulk_pages
from curation.views.datasets import activity, deletions
from curation.views.datasets import pages as dataset_pages
from curation.views.distillation import ledger
from curation.views.distillation import pages as distillation_pages
from curation.views.imports import account as import_accounts
from curation.views.imports import annotated, issues
from curation.views.imports import pages as import_pages
from curation.views.versions import archive, card, diff, leaks
from curation.views.versions import pages as version_pages

app_name = "curation"
urlpatterns = [
    # Datasets
    path("data/", dataset_pages.index, name="data"),
    path("data/new", dataset_pages.new, name="new_dataset"),
    path("data/deletions/<int:pk>", deletions.page, name="deletion"),
    path("data/deletions/<int:pk>/progress", deletions.progress, name="deletion_progress"),
    path("data/deletions/<int:pk>/retry", deletions.retry, name="retry_deletion"),
    path("data/<int:dataset_id>/", dataset_pages.page, name="dataset"),
    path("data/<int:dataset_id>/settings", dataset_pages.settings, name="dataset_settings"),
    path("data/<int:dataset_id>/delete", deletions.delete, name="delete_dataset"),
    path("data/<int:dataset_id>/activity", activity.page, name="activity"),
    # Records
    path("data/<int:dataset_id>/records/<int:pk>", records.page, name="record"),
    path("data/<int:dataset_id>/records/<int:pk>/review", records.review, name="review_record"),
    path("data/<int:dataset_id>/records/<int:pk>/edit", records.edit, name="edit_record"),
    path("data/<int:dataset_id>/records/<int:pk>/restore/<int:change_id>", records.restore, name="restore_record"),
    path("review/", records.first, name="review"),
    path("data/<int:dataset_id>/records/<int:pk>/merge", records.merge, name="merge_record"),
    # Erasures
    path("data/<int:dataset_id>/records/<int:pk>/erase", erasures.new, name="erase_record"),
    path("data/<int:dataset_id>/erase", erasures.several, name="erase_records"),
    path("data/erasures/<int:pk>", erasures.page, name="erasure"),
    path("data/erasures/<int:pk>/progress", erasures.progress, name="erasure_progress"),
    re_path(r"^data/erasures/(?P<pk>\d+)/(?P<move>resume)$", erasures.move, name="erasure_move"),
    # Search
    path("data/<int:dataset_id>/complete", search.complete, name="complete_search"),
    path("data/<int:dataset_id>/filters", search.index, name="saved_filters"),
    path("data/<int:dataset_id>/filters/<int:pk>/rename", search.rename, name="rename_filter"),
    path("data/<int:dataset_id>/filters/<int:pk>/delete", search.delete, name="delete_filter"),
    # Quality: problems, near-duplicates, checks
    path("data/<int:dataset_id>/problems", quality.page, name="problems"),
    path("data/<int:dataset_id>/problems/<slug:code>/fix", quality.fix, name="fix_problem"),
    path("data/<int:dataset_id>/duplicates", quality.duplicates, name="duplicates"),
    path("data/<int:dataset_id>/duplicates/across", quality.leaks, name="leaks"),
    path("data/<int:dataset_id>/duplicates/<int:cluster_id>", quality.cluster, name="cluster"),
    path("data/<int:dataset_id>/checks/<slug:part>", quality.start, name="start_check"),
    path("data/checks/<int:pk>", quality.job, name="check"),
    path("data/checks/<int:pk>/progress", quality.progress, name="check_progress"),
    re_path(r"^data/checks/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", quality.move, name="check_move"),
    # Charts, the map and its selections
    path("data/<int:dataset_id>/charts", charts.page, name="charts"),
    path("data/<int:dataset_id>/charts/points", charts.points, name="map_points"),
    path("data/<int:dataset_id>/charts/points/<int:pk>", charts.point, name="map_point"),
    path("data/<int:dataset_id>/charts/choose", charts.choose, name="choose_on_map"),
    path("data/<int:dataset_id>/selections", charts.selections, name="selections"),
    path("data/<int:dataset_id>/selections/<int:pk>/rename", charts.rename, name="rename_selection"),
    path("data/<int:dataset_id>/selections/<int:pk>/delete", charts.delete, name="delete_selection"),
    # Bulk actions
    path("data/bulk/<int:pk>", bulk_pages.page, name="bulk"),
    path("data/bulk/<int:pk>/progress", bulk_pages.progress, name="bulk_progress"),
    path("data/bulk/<int:pk>/undo", bulk_pages.undo, name="undo_bulk"),
    re_path(r"^data/bulk/(?P<pk>\d+)/(?P<move>cancel|resume)$", bulk_pages.move, name="bulk_move"),
    path("data/<int:dataset_id>/change", bulk_pages.change, name="change_records"),
    path("data/<int:dataset_id>/bulk/<slug:action>", bulk_form.page, name="bulk_form"),
    path("data/<int:dataset_id>/bulk/<slug:action>/count", bulk_form.count, name="bulk_count"),
    # Imports
    path("data/imports/", import_pages.index, name="imports"),
    path("data/imports/new", import_pages.new, name="new_import"),
    path("data/imports/<int:pk>", import_pages.page, name="import"),
    path("data/imports/<int:pk>/annotated", annotated.page, name="import_annotated"),
    path("data/imports/<int:pk>/start", import_pages.start, name="start_import"),
    path("data/imports/<int:pk>/again", import_accounts.again, name="import_again"),
    path("data/imports/<int:pk>/progress", import_pages.progress, name="import_progress"),
    path("data/imports/<int:pk>/issues", issues.table, name="import_issues"),
    re_path(r"^data/imports/(?P<pk>\d+)/issues\.(?P<form>csv|jsonl)$", issues.file, name="import_issues_file"),
    re_path(r"^data/imports/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", import_pages.move, name="import_move"),
    path("data/imports/<int:pk>/issues/<int:issue_id>", issues.fix, name="fix_issue"),
    # Exports
    path("data/exports/", exports.index, name="exports"),
    path("data/exports/<int:pk>", exports.page, name="export"),
    path("data/exports/<int:pk>/progress", exports.progress, name="export_progress"),
    path("data/exports/<int:pk>/file", exports.file, name="export_file"),
    path("data/exports/<int:pk>/delete", exports.delete, name="delete_export"),
    re_path(r"^data/exports/(?P<pk>\d+)/(?P<move>cancel|resume)$", exports.move, name="export_move"),
    path("data/<int:dataset_id>/export", exports.new, name="new_export"),
    # Annotation: questions, queue, answering
    path("annotate/<int:dataset_id>/", task.page, name="annotate"),
    path("annotate/<int:dataset_id>/ahead", task.ahead, name="annotate_ahead"),
    path("annotate/<int:dataset_id>/undo", task.undo, name="annotate_undo"),
    re_path(
        r"^annotate/(?P<dataset_id>\d+)/tasks/(?P<annotation_id>\d+)/(?P<move>draft|submit|skip)$",
        task.answer,
        name="annotate_answer",
    ),
    path("data/<int:dataset_id>/questions", questions.index, name="questions"),
    path("data/<int:dataset_id>/questions/new", questions.new, name="new_question"),
    path("data/<int:dataset_id>/questions/<int:question_id>", questions.edit, name="question"),
    path("data/<int:dataset_id>/questions/<int:question_id>/delete", questions.delete, name="delete_question"),
    path("data/<int:dataset_id>/questions/<int:question_id>/move", questions.move, name="move_question"),
    path("data/<int:dataset_id>/queue", queue.page, name="queue"),
    path("data/<int:dataset_id>/queue/fill", queue.fill, name="fill_queue"),
    path("data/<int:dataset_id>/queue/assign", queue.assign, name="assign_queue"),
    # Annotation: disagreements, review, agreement, control questions, comments
    path("annotate/<int:dataset_id>/disagreements", disagreements.index, name="disagreements"),
    path("annotate/<int:dataset_id>/disagreements/<int:task_id>", disagreements.page, name="disagreement"),
    path("annotate/<int:dataset_id>/disagreements/<int:task_id>/undo", disagreements.undo, name="undo_disagreement"),
    path("annotate/<int:dataset_id>/reviewing", review.page, name="reviewing"),
    re_path(
        r"^annotate/(?P<dataset_id>\d+)/reviewing/(?P<annotation_id>\d+)/(?P<move>accept|return|correct|unmark)$",
        review.act,
        name="review_annotation",
    ),
    path("annotate/<int:dataset_id>/agreement", agreement.page, name="agreement"),
    path("annotate/<int:dataset_id>/agreement/measure", agreement.start, name="measure_agreement"),
    path("annotate/reports/<int:pk>", agreement.report, name="agreement_report"),
    path("annotate/reports/<int:pk>/progress", agreement.report_progress, name="agreement_report_progress"),
    re_path(
        r"^annotate/reports/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", agreement.move, name="agreement_report_move"
    ),
    path("annotate/<int:dataset_id>/spans", spans.page, name="aside_spans"),
    path("annotate/<int:dataset_id>/spans/<int:trail_id>/<slug:span>/mark", spans.mark, name="mark_span"),
    path("annotate/<int:dataset_id>/spans/<int:trail_id>/<slug:span>/drop", spans.drop, name="drop_span"),
    path("annotate/<int:dataset_id>/progress", progress.page, name="progress"),
    path("annotate/<int:dataset_id>/honeypots", honeypots.page, name="honeypots"),
    path("annotate/<int:dataset_id>/honeypots/<int:task_id>/retire", honeypots.retire, name="retire_honeypot"),
    path("data/<int:dataset_id>/records/<int:pk>/honeypot", honeypots.record, name="honeypot"),
    path("data/<int:dataset_id>/records/<int:pk>/comments", comments.add, name="add_comment"),
    re_path(
        r"^data/(?P<dataset_id>\d+)/records/(?P<pk>\d+)/comments/(?P<comment_id>\d+)/(?P<move>resolve|reopen)$",
        comments.settle,
        name="settle_comment",
    ),
    path("mentions/", comments.mentions, name="mentions"),
    path("mentions/read", comments.read, name="read_mentions"),
    path("mentions/names", comments.names, name="mention_names"),
    # Distillation
    path("distil/", distillation_pages.index, name="distil"),
    path("distil/new", distillation_pages.new, name="new_distillation"),
    path("distil/new/columns", distillation_pages.columns, name="distil_columns"),
    path("distil/<int:pk>", distillation_pages.page, name="distillation"),
    path("distil/<int:pk>/progress", distillation_pages.progress, name="distillation_progress"),
    path("distil/<int:pk>/retry", distillation_pages.retry, name="retry_distillation"),
    path("distil/<int:pk>/budget", distillation_pages.budget, name="distillation_budget"),
    path("distil/<int:pk>/ledger", ledger.ledger, name="ledger"),
    path("distil/<int:pk>/ledger.jsonl", ledger.ledger_file, name="ledger_file"),
    path("distil/<int:pk>/ledger/<int:unit_id>", ledger.row, name="generation"),
    re_path(r"^distil/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", distillation_pages.move, name="distillation_move"),
    # Versions
    path("versions/", version_pages.index, name="versions"),
    path("versions/new", version_pages.new, name="new_version"),
    path("versions/new/counts", version_pages.counts, name="version_counts"),
    path("versions/<int:pk>", version_pages.page, name="version"),
    path("versions/<int:pk>/progress", version_pages.progress, name="version_progress"),
    path("versions/<int:pk>/<slug:split>.jsonl", version_pages.split_file, name="version_file"),
    path("versions/<int:pk>/notes", version_pages.notes, name="version_notes"),
    path("versions/<int:pk>/card.md", card.card, name="version_card"),
    path("versions/<int:pk>/all.zip", card.package, name="version_package"),
    path("versions/<int:pk>/compare", diff.compare, name="version_compare"),
    path("versions/<int:pk>/since/<int:other>", diff.diff, name="version_diff"),
    path("versions/<int:pk>/leaks", leaks.page, name="version_leaks"),
    path("versions/<int:pk>/leaks/together", leaks.together, name="version_together"),
    path("versions/<int:pk>/leaks/allow", leaks.allow, name="version_allow"),
    re_path(r"^versions/(?P<pk>\d+)/(?P<move>cancel|resume)$", version_pages.move, name="version_move"),
    re_path(r"^versions/(?P<pk>\d+)/(?P<move>archive|unarchive)$", archive.move, name="archive_version"),
    path("versions/<int:pk>/free", archive.free, name="free_version"),
]
