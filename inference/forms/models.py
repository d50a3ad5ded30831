"""Which models to ask, and how answers are drawn: what the forms of comparisons and evaluations have in common."""

from typing import Any

from django import forms

from atelier.accounts.models import Project
from curation.chat import Sampling
from inference.comparisons import turns
from inference.models import Endpoint


class SamplingForm(forms.Form):
    """Sampling parameters of the answers: the same for all endpoints."""

    temperature = forms.FloatField(
        label="Temperature",
        min_value=0,
        max_value=2,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text="0 always takes the most likely token; higher values vary more.",
    )
    top_p = forms.FloatField(
        label="Top-p",
        min_value=0.01,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
        help_text="Samples only from the most likely tokens that make up this share.",
    )
    max_tokens = forms.IntegerField(label="Max tokens", min_value=1, max_value=40960, help_text="Number of tokens.")
    seed = forms.IntegerField(
        label="Seed",
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        help_text="The same seed gives the same sampling.",
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
        self.offered = turns.choices(project)
        self.queryset = project.endpoints.filter(archived_at=None)
        self.error_messages["required"] = self.error_messages["list"] = "Choose at least one model."


class ModelsForm(SamplingForm):
    """Endpoints with why some cannot be chosen, and ticked ones, below the sampling."""

    endpoints = EndpointsField(label="Models", queryset=Endpoint.objects.none())

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        self.fields["endpoints"].offer(project)

    @property
    def offers(self) -> list[dict[str, Any]]:
        """Return one line for each endpoint: itself, why it cannot be called now, and whether it is ticked."""
        ticked = {str(value) for value in self["endpoints"].value() or []}
        return [
            {"endpoint": endpoint, "why": turns.why_not_ready(endpoint), "ticked": str(endpoint.pk) in ticked}
            for endpoint in self.fields["endpoints"].offered
        ]
