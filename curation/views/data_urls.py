from django.urls import path, re_path

from curation.views import bulk, datasets, imports, issues, records

urlpatterns = [
    path("data/", datasets.index, name="data"),
    path("data/new", datasets.new, name="new_dataset"),
    path("data/imports/", imports.index, name="imports"),
    path("data/imports/new", imports.new, name="new_import"),
    path("data/imports/<int:pk>", imports.page, name="import"),
    path("data/imports/<int:pk>/start", imports.start, name="start_import"),
    path("data/imports/<int:pk>/progress", imports.progress, name="import_progress"),
    path("data/imports/<int:pk>/issues", issues.table, name="import_issues"),
    re_path(r"^data/imports/(?P<pk>\d+)/issues\.(?P<form>csv|jsonl)$", issues.file, name="import_issues_file"),
    re_path(r"^data/imports/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", imports.move, name="import_move"),
    path("data/bulk/<int:pk>", bulk.page, name="bulk"),
    path("data/bulk/<int:pk>/progress", bulk.progress, name="bulk_progress"),
    path("data/bulk/<int:pk>/undo", bulk.undo, name="undo_bulk"),
    re_path(r"^data/bulk/(?P<pk>\d+)/(?P<move>cancel|resume)$", bulk.move, name="bulk_move"),
    path("data/<int:dataset_id>/", datasets.page, name="dataset"),
    path("data/<int:dataset_id>/settings", datasets.settings, name="dataset_settings"),
    path("data/<int:dataset_id>/delete", datasets.delete, name="delete_dataset"),
    path("data/<int:dataset_id>/change", bulk.change, name="change_records"),
    path("data/<int:dataset_id>/records/<int:pk>", records.page, name="record"),
    path("data/<int:dataset_id>/records/<int:pk>/review", records.review, name="review_record"),
    path("data/<int:dataset_id>/records/<int:pk>/edit", records.edit, name="edit_record"),
    path("data/<int:dataset_id>/records/<int:pk>/restore/<int:change_id>", records.restore, name="restore_record"),
    path("review/", records.first, name="review"),
]
