"""The models of exports: filtered records or a version as a file, written in the background."""

from django.db import models

from atelier.jobs.models import CANCEL, RESUME, Job
from curation.models.datasets import Dataset
from curation.models.versions import Version


class Export(Job):
    """A file of records in one format, kept for download."""

    resumes_cheaply = False
    task = "curation.tasks.export"
    route = "curation:export"
    unit = "records"
    icon = "download"
    fetched_with = ("dataset", "version__dataset", "created_by")
    MOVES = {"cancel": CANCEL, "resume": RESUME}

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="exports")
    version = models.ForeignKey(Version, on_delete=models.CASCADE, null=True, related_name="exports")
    split = models.CharField(max_length=10, blank=True)  # of the version; all splits when empty
    filters = models.JSONField(default=dict)  # of the list, when no version is named
    format = models.CharField(max_length=20)  # a name in curation.formats.WRITERS
    file = models.CharField(max_length=200, blank=True)  # storage name, made by us
    name = models.CharField(max_length=200, blank=True)  # of the download
    size = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)  # records that the format cannot hold
    skipped_why = models.JSONField(default=list)  # [{"reason", "count", "records": [...]}]

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Export {self.version or self.dataset.name}"
