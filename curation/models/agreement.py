"""How well the people of a dataset agree, computed once for many answers."""

from django.db import models

from atelier.jobs.models import Job
from curation.models.datasets import Dataset


class AgreementReport(Job):
    """The measures of a dataset's answers between two days: a job, because many answers take a while."""

    task = "curation.tasks.agreement"
    route = "curation:agreement_report"
    icon = "review"
    unit = "answers"

    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, related_name="agreement_reports")
    since = models.DateField(null=True)  # both days are included
    until = models.DateField(null=True)
    figures = models.JSONField(default=dict)

    class Meta(Job.Meta):
        abstract = False

    @property
    def title(self) -> str:
        return f"Agreement in {self.dataset.name}"
