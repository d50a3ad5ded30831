"""REST API of serving, comparing and evaluating models."""

from ninja import Router

from inference.api import comparisons, deployments, endpoints, evaluations

router = Router()
for part in (endpoints, deployments, comparisons, evaluations):
    router.add_router("", part.router)
