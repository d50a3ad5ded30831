"""Forms of imports and datasets. Fields are explicit, so that nothing else can be set."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project
from curation import datasets, importing, splits
from curation.models import Dataset

NEW = "new"


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
    train = forms.FloatField(label="Train, %", min_value=0, max_value=100)
    validation = forms.FloatField(label="Validation, %", min_value=0, max_value=100)
    test = forms.FloatField(label="Test, %", min_value=0, max_value=100)
    seed = forms.IntegerField(
        min_value=0,
        max_value=2_147_483_647,
        help_text="Another seed deals the records anew. Versions that are frozen stay as they are.",
    )

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        shares = {split: round(100 * share, 4) for split, share in dataset.shares.items()}
        initial = {"name": dataset.name, "description": dataset.description, "seed": dataset.seed, **shares}
        super().__init__(*args, initial=initial, **kwargs)
        self.dataset = dataset

    def clean_name(self) -> str:
        return datasets.free_name(self.dataset.project, self.cleaned_data["name"], besides=self.dataset)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if all(split in data for split in splits.SPLITS):
            data["shares"] = splits.clean_shares({split: data[split] / 100 for split in splits.SPLITS})
        return data


class ImportForm(forms.Form):
    """A file or an address, and where it goes."""

    file = forms.FileField(required=False, label="File", widget=forms.FileInput, max_length=1000)
    url = forms.CharField(
        required=False,
        label="Or an address",
        max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/data.jsonl"}),
        help_text="It is fetched in the background; then you see the preview.",
    )
    dataset = forms.ChoiceField(label="Into")
    name = forms.CharField(
        label="Name of the new dataset",
        max_length=datasets.NAME_LENGTH,
        required=False,
        help_text="Empty: the file's name.",
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.fields["dataset"].choices = [
            (NEW, "A new dataset"),
            *((str(d.pk), d.name) for d in project.datasets.order_by("-pk")),
        ]

    def clean_url(self) -> str:
        url = self.cleaned_data["url"].strip()
        if url:
            importing.check_url(url)
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors and bool(data.get("file")) == bool(data.get("url")):
            raise ValidationError("Choose a file or give an address: one of the two.")
        return data

    def target(self) -> tuple[Dataset, bool]:
        """The dataset, and whether it was made for this import. Raises ValidationError for a name that is taken."""
        if self.cleaned_data["dataset"] != NEW:
            return self.project.datasets.get(pk=self.cleaned_data["dataset"]), False
        name = self.cleaned_data["name"].strip()
        return datasets.create(self.project, None, name or self._free_name()), True

    def _free_name(self) -> str:
        """The file's name without its endings, with a number when it is taken."""
        file, url = self.cleaned_data.get("file"), self.cleaned_data.get("url")
        stem = (file.name if file else url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]).split(".")[0]
        stem = "".join(char for char in stem if char.isprintable()).strip()[:100] or "Imported"
        taken = set(self.project.datasets.values_list("name", flat=True))
        return next(name for name in [stem, *(f"{stem} {n}" for n in range(2, len(taken) + 3))] if name not in taken)
