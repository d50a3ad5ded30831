"""REST of the data side."""

from ninja import Router

from curation.api import bulk, data, distillations, exports, finding, imports, records, versions

router = Router()
for part in (data, finding, imports, exports, records, bulk, distillations, versions):
    router.add_router("", part.router)
