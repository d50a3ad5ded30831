"""REST API of the data side."""

from ninja import Router

from curation.api import (
    agreement,
    annotation,
    bulk,
    charts,
    comments,
    datasets,
    disagreements,
    distillations,
    erasures,
    exports,
    honeypots,
    imports,
    imports_annotated,
    quality,
    questions,
    queue,
    records,
    review,
    search,
    spans,
    versions,
)

router = Router()
for part in (
    datasets,
    search,
    charts,
    imports_annotated,
    imports,
    exports,
    records,
    erasures,
    bulk,
    quality,
    distillations,
    versions,
    questions,
    queue,
    annotation,
    agreement,
    disagreements,
    review,
    honeypots,
    spans,
    comments,
):
    router.add_router("", part.router)
