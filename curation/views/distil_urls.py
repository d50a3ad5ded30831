from django.urls import path, re_path

from curation.views import distil, ledgers, version_parts, versions

urlpatterns = [
    path("distil/", distil.index, name="distil"),
    path("distil/new", distil.new, name="new_distillation"),
    path("distil/new/columns", distil.columns, name="distil_columns"),
    path("distil/<int:pk>", distil.page, name="distillation"),
    path("distil/<int:pk>/progress", distil.progress, name="distillation_progress"),
    path("distil/<int:pk>/retry", distil.retry, name="retry_distillation"),
    path("distil/<int:pk>/budget", distil.budget, name="distillation_budget"),
    path("distil/<int:pk>/ledger", ledgers.ledger, name="ledger"),
    path("distil/<int:pk>/ledger.jsonl", ledgers.ledger_file, name="ledger_file"),
    path("distil/<int:pk>/ledger/<int:unit_id>", ledgers.row, name="generation"),
    re_path(r"^distil/(?P<pk>\d+)/(?P<move>cancel|pause|resume)$", distil.move, name="distillation_move"),
    path("versions/", versions.index, name="versions"),
    path("versions/new", versions.new, name="new_version"),
    path("versions/new/counts", versions.counts, name="version_counts"),
    path("versions/<int:pk>", versions.page, name="version"),
    path("versions/<int:pk>/progress", versions.progress, name="version_progress"),
    path("versions/<int:pk>/<slug:split>.jsonl", versions.split_file, name="version_file"),
    path("versions/<int:pk>/notes", version_parts.notes, name="version_notes"),
    path("versions/<int:pk>/card.md", version_parts.card, name="version_card"),
    path("versions/<int:pk>/all.zip", version_parts.package, name="version_package"),
    path("versions/<int:pk>/compare", version_parts.compare, name="version_compare"),
    path("versions/<int:pk>/since/<int:other>", version_parts.diff, name="version_diff"),
    path("versions/<int:pk>/leaks", version_parts.leak_pairs, name="version_leaks"),
    path("versions/<int:pk>/leaks/allow", version_parts.allow_leaks, name="version_allow"),
    re_path(r"^versions/(?P<pk>\d+)/(?P<move>cancel|resume)$", versions.move, name="version_move"),
]
