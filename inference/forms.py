"""Forms of comparing and evaluating."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project
from curation.chat import Sampling
from curation.models import Dataset, Version
from curation.models.versions import SPLITS
from inference import comparison, evaluation, keeping
from inference.models import Endpoint


class SamplingForm(forms.Form):
    """How answers are drawn: the same for all who answer."""

    temperature = forms.FloatField(
        label="Temperature",
        min_value=0,
        max_value=2,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="0 always takes the likeliest word; higher is freer.",
    )
    top_p = forms.FloatField(
        label="Top-p",
        min_value=0.01,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
        help_text="Draws only from the likeliest words that make up this share.",
    )
    max_tokens = forms.IntegerField(label="Longest answer", min_value=1, max_value=40960, help_text="In tokens.")
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        help_text="The same number draws the same way again.",
    )

    def sampling(self) -> Sampling:
        return Sampling(**{name: self.cleaned_data[name] for name in ("temperature", "top_p", "max_tokens", "seed")})


class EndpointsField(forms.ModelMultipleChoiceField):
    """Endpoints as a list in the order in which they are offered."""

    widget = forms.CheckboxSelectMultiple

    def clean(self, value: Any) -> list[Endpoint]:
        chosen = {endpoint.pk for endpoint in super().clean(value)}
        return [endpoint for endpoint in self.offered if endpoint.pk in chosen]

    def offer(self, project: Project) -> None:
        self.offered = comparison.choices(project)
        self.queryset = project.endpoints.filter(archived_at=None)
        self.error_messages["required"] = self.error_messages["list"] = "Choose at least one model."


class ChoosingForm(SamplingForm):
    """What both forms share: endpoints with why some cannot be chosen, and ticked ones."""

    endpoints = EndpointsField(label="Models", queryset=Endpoint.objects.none())

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.fields["endpoints"].offer(project)

    @property
    def offers(self) -> list[dict[str, Any]]:
        """One line for each endpoint: itself, why it cannot be asked now, and whether it is ticked."""
        ticked = {str(value) for value in self["endpoints"].value() or []}
        return [
            {"endpoint": endpoint, "why": comparison.why_not_ready(endpoint), "ticked": str(endpoint.pk) in ticked}
            for endpoint in self.fields["endpoints"].offered
        ]


class ComparisonForm(ChoosingForm):
    name = forms.CharField(max_length=120, required=False, help_text="Else it is called after the models.")
    system_prompt = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        label="System prompt",
        strip=False,
        help_text="Sent to every model. The student is best asked with the prompt it was trained with.",
    )
    blind = forms.BooleanField(
        required=False,
        label="Blind",
        help_text="Shuffles the answers of each turn, and names them only after your vote.",
    )

    field_order = ["endpoints", "name", "system_prompt", "blind"]

    def clean_endpoints(self) -> list[Endpoint]:
        chosen = self.cleaned_data["endpoints"]
        if not comparison.MIN_SIDES <= len(chosen) <= comparison.MAX_SIDES:
            raise ValidationError(f"Choose two to four models to compare, not {len(chosen)}.")
        return chosen


class SaveAnswerForm(forms.Form):
    """Where an answer goes, with the chance to mend it first."""

    text = forms.CharField(
        label="Answer",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="Mend it here if it is nearly right: the record keeps what stands here.",
    )
    dataset = forms.ModelChoiceField(
        queryset=Dataset.objects.none(), required=False, empty_label="A new dataset, named below", label="Dataset"
    )
    new_name = forms.CharField(max_length=120, required=False, label="Name of the new dataset")

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.fields["dataset"].queryset = datasets = keeping.conversation_datasets(project)
        first = datasets.first()
        if first:
            self.initial.setdefault("dataset", first.pk)
        else:
            self.initial.setdefault("new_name", keeping.CONVERSATIONS)

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("dataset") and not self.cleaned_data.get("new_name", "").strip():
            self.add_error("new_name", "Choose a dataset, or name a new one.")
        return self.cleaned_data


class EvaluationForm(ChoosingForm):
    name = forms.CharField(
        max_length=120, required=False, help_text="Else it is called after the version and its split."
    )
    version = forms.ModelChoiceField(queryset=Version.objects.none(), empty_label=None)
    split = forms.ChoiceField(choices=[(split, split.capitalize()) for split in reversed(SPLITS)], initial="test")
    system_prompt = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        label="System prompt",
        strip=False,
        help_text="Empty asks as the version's conversations do.",
    )
    rules = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10, "class": "code", "spellcheck": "false"}),
        required=False,
        strip=False,
        help_text="TOML. A copy of the project's rules, so that a later change of those leaves these scores alone.",
    )
    limit = forms.IntegerField(min_value=1, required=False, label="At most so many rows", help_text="Empty takes all.")
    concurrency = forms.IntegerField(
        min_value=1,
        max_value=evaluation.MAX_CONCURRENCY,
        label="At the same time",
        help_text="Questions in flight for each model.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].queryset = evaluation.versions_of(self.project)

    def clean_rules(self) -> str:
        return evaluation.checked_rules(self.cleaned_data["rules"])
