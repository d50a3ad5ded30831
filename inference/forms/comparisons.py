"""Forms of comparing: a new comparison, and an answer that is saved."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project
from curation.models import Dataset
from inference.comparisons import records, turns
from inference.forms.endpoints import JSONField
from inference.forms.models import ModelsForm
from inference.models import Endpoint, Reply


class ComparisonForm(ModelsForm):
    name = forms.CharField(max_length=120, required=False, help_text="Defaults to the model names.")
    system_prompt = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        label="System prompt",
        strip=False,
        help_text="Sent to every model. Use the prompt that the student was trained with.",
    )
    blind = forms.BooleanField(
        required=False,
        label="Blind",
        help_text="Shuffles the answers of each turn and shows their models and their reasoning only after your vote.",
    )
    tools = JSONField(
        required=False,
        label="Tools",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text='The tools on offer to every model, as a JSON list of {"type": "function", "function": {"name", "description", "parameters"}}. Calls are shown and not run.',
    )

    field_order = ["endpoints", "name", "system_prompt", "tools", "blind"]

    def clean_tools(self) -> list[Any]:
        return turns.checked_tools(self.cleaned_data["tools"] or [])

    def clean_endpoints(self) -> list[Endpoint]:
        chosen = self.cleaned_data["endpoints"]
        if not turns.MIN_SIDES <= len(chosen) <= turns.MAX_SIDES:
            raise ValidationError(f"Choose two to four models to compare, not {len(chosen)}.")
        return chosen


class SaveAnswerForm(forms.Form):
    """The dataset to save an answer in, with the chance to edit it first."""

    text = forms.CharField(
        label="Answer",
        strip=False,
        required=False,  # an answer that calls a tool may have none
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="Correct the answer here if needed; the record stores this text.",
    )
    dataset = forms.ModelChoiceField(
        queryset=Dataset.objects.none(), required=False, empty_label="New dataset, named below", label="Dataset"
    )
    new_name = forms.CharField(max_length=120, required=False, label="Name of the new dataset")
    thoughts = forms.BooleanField(
        required=False,
        label="Save its reasoning too",
        help_text="The student then learns to reason before it answers. Its base must be one that does.",
    )
    cut = forms.BooleanField(
        required=False,
        label="Save it although it was cut off",
        help_text="The answer has no end of its own. Complete it above, or the student learns to break off.",
    )

    def __init__(self, *args: Any, project: Project, reply: Reply, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if reply.is_whole:
            del self.fields["cut"]
        if not reply.reasoning.strip():
            del self.fields["thoughts"]
        self.project = project
        self.fields["dataset"].queryset = datasets = records.conversation_datasets(project)
        first = datasets.first()
        if first:
            self.initial.setdefault("dataset", first.pk)
        else:
            self.initial.setdefault("new_name", records.CONVERSATIONS)

    def clean(self) -> dict[str, Any]:
        if not self.cleaned_data.get("dataset") and not self.cleaned_data.get("new_name", "").strip():
            self.add_error("new_name", "Choose a dataset, or enter the name of a new one.")
        return self.cleaned_data
