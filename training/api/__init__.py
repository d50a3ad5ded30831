"""REST of training: base models, runs and adapters."""

from ninja import Router

from training.api import adapters, bases, runs

router = Router()
for part in (bases, runs, adapters):
    router.add_router("", part.router)
