"""Forms of datasets and their settings. Fields are explicit, so that nothing else can be set."""

from typing import Any

from django import forms

from atelier.accounts.models import Project
from curation.datasets import settings
from curation.models import Dataset
from curation.records import splits


def named_errors(form: forms.BaseForm) -> list[str]:
    """Return the errors of a form as sentences; they are shown away from the fields, so each names its own."""
    return [
        f"{form[name].label}: {error}" if name in form.fields else str(error)
        for name, errors in form.errors.items()
        for error in errors
    ]


class DatasetForm(forms.Form):
    """A new, empty dataset."""

    name = forms.CharField(max_length=settings.NAME_LENGTH)
    kind = forms.ChoiceField(
        choices=Dataset.Kind.choices,
        initial=Dataset.Kind.CONVERSATIONS,
        help_text="A teacher works on documents; students learn from conversations; preferences state which answer is better.",
    )
    description = forms.CharField(max_length=300, required=False)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project

    def clean_name(self) -> str:
        return settings.free_name(self.project, self.cleaned_data["name"])


class DatasetSettingsForm(forms.Form):
    """The settings of a dataset. Shares are in percent."""

    name = forms.CharField(max_length=settings.NAME_LENGTH)
    description = forms.CharField(max_length=300, required=False)
    licence = forms.CharField(
        max_length=120, required=False, help_text="Shown in the data card, such as CC-BY-4.0 (optional)."
    )
    train = forms.FloatField(label="Train, %", min_value=0, max_value=100)
    validation = forms.FloatField(label="Validation, %", min_value=0, max_value=100)
    test = forms.FloatField(label="Test, %", min_value=0, max_value=100)
    seed = forms.IntegerField(
        min_value=0,
        max_value=2_147_483_647,
        help_text="A new seed reshuffles the splits. Frozen versions don't change.",
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        shares = {split: f"{100 * share:g}" for split, share in dataset.shares.items()}
        kept = {name: getattr(dataset, name) for name in ("name", "description", "licence", "seed")}
        initial = {**kept, **shares}
        super().__init__(*args, initial=initial, **kwargs)
        self.dataset = dataset

    def clean_name(self) -> str:
        return settings.free_name(self.dataset.project, self.cleaned_data["name"], besides=self.dataset)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if all(split in data for split in splits.SPLITS):
            data["shares"] = splits.clean_shares({split: data[split] / 100 for split in splits.SPLITS})
        return data


class EraseForm(forms.Form):
    """Why records are erased. What is erased follows from lineage, so nothing else is asked."""

    reason = forms.CharField(
        max_length=500,
        help_text="Kept with the hash, such as “request of 3 May”. Don't name the person in it.",
    )
