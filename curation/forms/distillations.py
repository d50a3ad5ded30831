"""Forms of a new distillation and of a new version."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from curation.distillation import drafts
from curation.models import Dataset, Distillation, Record
from curation.records import splits
from curation.search import selection
from curation.versions import grouping
from inference import endpoints

STATUSES = [("", "All records"), *[(status.value, status.label) for status in Record.Status]]
AREA = forms.Textarea


class DistilForm(forms.Form):
    """The settings of a distillation. `job` is the checked draft once the form is valid."""

    dataset = forms.ModelChoiceField(label="Dataset", queryset=Dataset.objects.none(), empty_label=None)
    status = forms.ChoiceField(label="Records", choices=STATUSES, required=False)
    limit = forms.IntegerField(
        label="Limit",
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Number of records; leave empty for all. Start small and continue later.",
    )
    unanswered = forms.BooleanField(
        label="Skip records that already have an answer in the target", required=False, initial=True
    )
    teacher = forms.ModelChoiceField(label="Teacher", queryset=Dataset.objects.none(), empty_label=None)
    system_prompt = forms.CharField(
        label="Teacher's system prompt",
        required=False,
        widget=AREA(attrs={"rows": 8}),
        help_text="Your full guide. It is sent to the teacher with every record.",
    )
    template = forms.CharField(
        label="Prompt",
        widget=AREA(attrs={"rows": 5, "class": "mono", "spellcheck": "false"}),
        strip=False,
        help_text="Jinja template, rendered for each record. Both the teacher and later the student get this prompt.",
    )
    student_prompt = forms.CharField(
        label="Student's system prompt",
        required=False,
        widget=AREA(attrs={"rows": 2}),
        help_text="The system message of every saved conversation. Keep it short: the student learns the style from the examples.",
    )
    keep_thoughts = forms.BooleanField(
        label="Save the teacher's reasoning",
        required=False,
        help_text="The student then learns to reason before it answers. Its base must be one that does.",
    )
    target = forms.ModelChoiceField(
        label="Target dataset", queryset=Dataset.objects.none(), required=False, empty_label="New dataset"
    )
    target_name = forms.CharField(label="Name of the new dataset", required=False, max_length=120)
    temperature = forms.FloatField(
        label="Temperature", min_value=0, max_value=2, initial=0.3, help_text="0 always takes the most likely token."
    )
    top_p = forms.FloatField(label="Top p", min_value=0.01, max_value=1, initial=1.0)
    max_tokens = forms.IntegerField(
        label="Max tokens",
        min_value=1,
        max_value=40960,
        initial=1024,
        help_text="Answers that are cut off at this length fail.",
    )
    seed = forms.IntegerField(label="Seed", required=False, min_value=0, max_value=2**31 - 1)
    concurrency = forms.IntegerField(label="Parallel requests", min_value=1, max_value=drafts.MOST_AT_ONCE, initial=8)
    budget = forms.DecimalField(
        label="Budget",
        required=False,
        min_value=Decimal("0.0001"),
        max_digits=12,
        decimal_places=4,
        help_text="The distillation pauses before a call could exceed the budget. In the currency of the teacher's prices.",
    )
    name = forms.CharField(label="Name", required=False, max_length=120, help_text="Defaults to dataset and teacher.")

    def __init__(self, *args: Any, project: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.job: Distillation | None = None
        datasets = project.datasets.order_by("name")
        self.fields["dataset"].queryset = datasets.exclude(kind=Dataset.Kind.PREFERENCES)
        self.fields["target"].queryset = datasets.filter(kind=Dataset.Kind.CONVERSATIONS)
        self.fields["teacher"].queryset = endpoints.teachers(project)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            self.job = drafts.draft(self.project, data["teacher"], target=self._target(data), **self._fields(data))
        except ValidationError as error:
            self.add_error(None, error)
        return data

    def _target(self, data: dict[str, Any]) -> Dataset:
        if data["target"] is not None:
            return data["target"]
        source, name = data["dataset"], data["target_name"].strip()
        if name and self.project.datasets.filter(name=name).exists():
            sentence = f"A dataset called {name} already exists. Choose it above, or enter another name."
            raise ValidationError({"target_name": sentence})
        name = name or self._free_name(f"{source.name[:100]}, answered")
        return Dataset(project=self.project, name=name, shares=source.shares, seed=source.seed)

    def _free_name(self, name: str) -> str:
        taken = set(self.project.datasets.filter(name__startswith=name).values_list("name", flat=True))
        return next(free for n in range(1, len(taken) + 2) if (free := name if n == 1 else f"{name} {n}") not in taken)

    def _fields(self, data: dict[str, Any]) -> dict[str, Any]:
        names = (
            "dataset",
            "name",
            "system_prompt",
            "template",
            "student_prompt",
            "keep_thoughts",
            "concurrency",
            "limit",
            "budget",
        )
        sampling = {
            name: data[name] for name in ("temperature", "top_p", "max_tokens", "seed") if data[name] is not None
        }
        filters = {"status": data["status"], "unanswered": data["unanswered"]}
        return {name: data[name] for name in names} | {"sampling": sampling, "filters": filters}

    def group(self, *names: str) -> list[forms.BoundField]:
        return [self[name] for name in names]

    @property
    def records(self) -> list[forms.BoundField]:
        return self.group("dataset", "status", "limit", "unanswered")

    @property
    def asking(self) -> list[forms.BoundField]:
        return self.group("teacher", "system_prompt")

    @property
    def keeping(self) -> list[forms.BoundField]:
        return self.group("student_prompt", "keep_thoughts", "target", "target_name")

    @property
    def details(self) -> list[forms.BoundField]:
        return self.group("temperature", "top_p", "max_tokens", "seed", "concurrency", "budget", "name")


class BudgetForm(forms.Form):
    budget = forms.DecimalField(
        label="New budget", required=False, max_digits=12, decimal_places=4, help_text="Leave empty for no limit."
    )


GROUPINGS = [
    (grouping.SOURCE, "Source: all that was asked, or the group of the import"),
    (grouping.COLUMN, "A metadata column"),
    (grouping.NONE, "Nothing: each record by itself"),
]


class FreezeForm(forms.Form):
    """The form of a new version: which records it contains, and how they are split."""

    dataset = forms.ModelChoiceField(label="Dataset", queryset=Dataset.objects.none(), empty_label=None)
    status = forms.ChoiceField(label="Records", choices=STATUSES, required=False, initial=Record.Status.ACCEPTED)
    q = forms.CharField(
        label="Filter",
        required=False,
        max_length=400,
        help_text="In the language of the search box, such as label:news tokens:<400. Leave empty for all.",
    )
    clean_only = forms.BooleanField(label="Skip records with problems", required=False, initial=True)
    allow_leaks = forms.BooleanField(
        label="Allow near-duplicates in different splits",
        required=False,
        help_text="Without this the freeze is refused if there are any, since test data would leak into training.",
    )
    group_by = forms.ChoiceField(
        label="Group by",
        choices=GROUPINGS,
        required=False,
        initial=grouping.SOURCE,
        help_text="Records of one group stay in the same split.",
    )
    group_column = forms.CharField(
        label="Metadata column",
        required=False,
        max_length=grouping.LONGEST_NAME,
        help_text="Records with the same value stay in one split. Only for grouping by a metadata column.",
    )
    keep_together = forms.BooleanField(
        label="Keep near-duplicates together",
        required=False,
        help_text="Each group of near-duplicates and of copies goes to one split.",
    )
    stratify = forms.BooleanField(
        label="Stratify by label",
        required=False,
        help_text="Each label gets its share of each split, as far as its groups can be divided. Splits may change when records are added.",
    )
    train = forms.DecimalField(label="Train, %", min_value=0, max_value=100, decimal_places=2)
    validation = forms.DecimalField(label="Validation, %", min_value=0, max_value=100, decimal_places=2)
    test = forms.DecimalField(label="Test, %", min_value=0, max_value=100, decimal_places=2)
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        help_text="Keep the same seed from version to version, so that records keep their split.",
    )
    notes = forms.CharField(label="Notes", required=False, max_length=500, widget=AREA(attrs={"rows": 2}))

    def __init__(self, *args: Any, project: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = freezable(project)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not self.errors:
            try:
                self.grouping = grouping.clean(
                    data["group_by"] or grouping.SOURCE,
                    data["group_column"],
                    keep_together=data["keep_together"],
                    stratify=data["stratify"],
                )
            except ValidationError as error:
                self.add_error("group_column", error)
            try:
                splits.clean_shares(self.shares)
            except ValidationError as error:
                self.add_error("train", error)
        return data

    @property
    def shares(self) -> dict[str, float]:
        return {split: float(self.cleaned_data[split]) / 100 for split in splits.SPLITS}

    def clean_q(self) -> str:
        return selection.check({"q": self.cleaned_data["q"]}).get("q", "")

    @property
    def filters(self) -> dict[str, Any]:
        data = self.cleaned_data
        return {"q": data["q"], "status": data["status"], "problems": "none" if data["clean_only"] else ""}


def freezable(project: Any) -> Any:
    """Return the datasets that a version can be made from."""
    return project.datasets.exclude(kind=Dataset.Kind.DOCUMENTS).order_by("-pk")
