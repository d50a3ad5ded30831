"""Forms of imports and datasets. Fields are explicit, so that nothing else can be set."""

from typing import Any

from django import forms

from atelier.accounts.models import Project
from curation import datasets, splits
from curation.models import Dataset


def named_errors(form: forms.BaseForm) -> list[str]:
    """What is wrong in a form, as sentences that stand away from the fields, so each names its own."""
    return [
        f"{form[name].label}: {error}" if name in form.fields else str(error)
        for name, errors in form.errors.items()
        for error in errors
    ]


class DatasetForm(forms.Form):
    """A new, empty dataset."""

    name = forms.CharField(max_length=datasets.NAME_LENGTH)
    kind = forms.ChoiceField(
        choices=Dataset.Kind.choices,
        initial=Dataset.Kind.CONVERSATIONS,
        help_text="Documents are what a teacher works on; conversations are learned from; preferences say which answer is better.",
    )
    description = forms.CharField(max_length=300, required=False)

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project

    def clean_name(self) -> str:
        return datasets.free_name(self.project, self.cleaned_data["name"])


class DatasetSettingsForm(forms.Form):
    """Shares are asked for in percent, as people say them."""

    name = forms.CharField(max_length=datasets.NAME_LENGTH)
    description = forms.CharField(max_length=300, required=False)
    licence = forms.CharField(
        max_length=120, required=False, help_text="As the data card says it, such as CC-BY-4.0. Empty: not stated."
    )
    train = forms.FloatField(label="Train, %", min_value=0, max_value=100)
    validation = forms.FloatField(label="Validation, %", min_value=0, max_value=100)
    test = forms.FloatField(label="Test, %", min_value=0, max_value=100)
    seed = forms.IntegerField(
        min_value=0,
        max_value=2_147_483_647,
        help_text="Another seed deals the records anew. Versions that are frozen stay as they are.",
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        shares = {split: f"{100 * share:g}" for split, share in dataset.shares.items()}
        kept = {name: getattr(dataset, name) for name in ("name", "description", "licence", "seed")}
        initial = {**kept, **shares}
        super().__init__(*args, initial=initial, **kwargs)
        self.dataset = dataset

    def clean_name(self) -> str:
        return datasets.free_name(self.dataset.project, self.cleaned_data["name"], besides=self.dataset)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if all(split in data for split in splits.SPLITS):
            data["shares"] = splits.clean_shares({split: data[split] / 100 for split in splits.SPLITS})
        return data
