"""REST of serving, comparing and evaluating."""

from ninja import Router

from inference.api import comparisons, endpoints, evaluations, models

router = Router()
for part in (endpoints, models, comparisons, evaluations):
    router.add_router("", part.router)
