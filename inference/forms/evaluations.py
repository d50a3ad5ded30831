"""The form of a new evaluation."""

from typing import Any

from django import forms

from atelier.accounts.rules import checked_rules
from curation.models import Version
from curation.models.versions import SPLITS
from inference.evaluations import ledger
from inference.forms.models import ModelsForm


class EvaluationForm(ModelsForm):
    name = forms.CharField(max_length=120, required=False, help_text="Defaults to the version and its split.")
    version = forms.ModelChoiceField(queryset=Version.objects.none(), empty_label=None)
    split = forms.ChoiceField(choices=[(split, split.capitalize()) for split in reversed(SPLITS)], initial="test")
    system_prompt = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        required=False,
        label="System prompt",
        strip=False,
        help_text="Sent to every model. Leave empty to send a trained model the prompt that it was trained with, and the others the version's system prompt.",
    )
    rules = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10, "class": "code", "spellcheck": "false"}),
        required=False,
        strip=False,
        help_text="TOML. A copy of the project's rules, so that later changes to those don't affect these scores.",
    )
    limit = forms.IntegerField(
        min_value=1,
        max_value=2**31 - 1,
        required=False,
        label="Limit",
        help_text="Number of rows; leave empty for all.",
    )
    concurrency = forms.IntegerField(
        min_value=1,
        max_value=ledger.MAX_CONCURRENCY,
        label="Parallel requests",
        help_text="Number of requests in flight for each model.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].queryset = ledger.versions_of(self.project)
        for endpoint in self.fields["endpoints"].offered:
            self.fields[f"prompt_{endpoint.pk}"] = forms.CharField(
                widget=forms.Textarea(attrs={"rows": 2}), required=False, strip=False, label=str(endpoint)
            )

    @property
    def prompt_fields(self) -> list[forms.BoundField]:
        """Return the fields of the system prompts by model."""
        return [self[name] for name in self.fields if name.startswith("prompt_")]

    def prompts(self) -> dict[int, str]:
        """Return the system prompts of the chosen models that have one of their own, by endpoint."""
        chosen = {
            endpoint.pk: self.cleaned_data.get(f"prompt_{endpoint.pk}", "")
            for endpoint in self.cleaned_data["endpoints"]
        }
        return {pk: prompt for pk, prompt in chosen.items() if prompt.strip()}

    def clean_rules(self) -> str:
        return checked_rules(self.cleaned_data["rules"])
