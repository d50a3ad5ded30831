"""REST of the data side."""

from ninja import Router

from curation.api import (
    annotation,
    annotation_setup,
    bulk,
    checks,
    data,
    distillations,
    exports,
    finding,
    imports,
    moving,
    pictures,
    records,
    together,
    versions,
)

router = Router()
for part in (
    data,
    finding,
    pictures,
    moving,
    imports,
    exports,
    records,
    bulk,
    checks,
    distillations,
    versions,
    annotation_setup,
    annotation,
    together,
):
    router.add_router("", part.router)
