"""Atelier: a workshop in which a large model and the people of a team teach a small one."""

from atelier.celery import app as celery_app

__all__ = ["celery_app"]
__version__ = "0.1.0"
