"""Atelier: a workshop in which a large model and a team teach a small language model."""

from atelier.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
