"""The form of an endpoint: which fields there are depends on its kind."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from inference import endpoints
from inference.models import Endpoint

# Served endpoints are made by deploying a model, so nobody types their address.
ADDABLE = [Endpoint.Kind.OPENAI, Endpoint.Kind.MISTRAL, Endpoint.Kind.RECORDED]
LEFT_OUT = {
    Endpoint.Kind.OPENAI: {"file"},
    Endpoint.Kind.MISTRAL: {"file", "url"},
    Endpoint.Kind.RECORDED: {"url", "model", "key", "price_in", "price_out"},
    Endpoint.Kind.SERVED: {"url", "model", "key", "file"},
}


class EndpointForm(forms.ModelForm):
    key = forms.CharField(
        label="API key",
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown again. Leave it empty if the server wants none.",
    )
    file = forms.FileField(
        label="Recorded answers",
        required=False,
        error_messages={"empty": "The file is empty: choose one that holds an answer on each line."},
        help_text='JSONL, each line {"id", "prompt", "answer"}. A prompt that is not in it is an error.',
    )

    class Meta:
        model = Endpoint
        fields = ["name", "url", "model", "key", "file", "price_in", "price_out", "is_teacher"]
        labels = {
            "url": "Address",
            "model": "Model",
            "price_in": "Price of a million prompt tokens",
            "price_out": "Price of a million answer tokens",
            "is_teacher": "This is a teacher",
        }
        help_texts = {
            "name": "What pages and ledgers call it.",
            "url": "Up to and with /v1, as in https://api.example.com/v1.",
            "model": "The name that the server knows it by.",
            "price_in": "For estimates, costs and budgets; 0 if it costs nothing. Any currency, the same everywhere.",
            "is_teacher": "Teachers stand first where one is chosen to write answers.",
        }

    def __init__(self, *args: Any, kind: str, project: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind, self.instance.project = kind, project
        self._before = (self.instance.url, bool(self.instance.sealed_key)) if self.instance.pk else ("", False)
        self.key_dropped = False
        for name in LEFT_OUT[Endpoint.Kind(kind)]:
            del self.fields[name]
        for name in {"url", "model"} & set(self.fields):
            self.fields[name].required = True
        for name in {"price_in", "price_out"} & set(self.fields):
            self.fields[name].min_value, self.fields[name].required = 0, False
        if "file" in self.fields:
            self.fields["file"].required = not self.instance.answers
        if "key" in self.fields and self._before[1]:
            self.fields["key"].help_text = "A key is stored. Leave this empty to keep it, or enter a new one."

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if self.instance.project.endpoints.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(
                f"The project has an endpoint called {name} already (perhaps archived): choose another name."
            )
        return name

    def clean_url(self) -> str:
        return endpoints.check_url(self.cleaned_data["url"])

    def clean_price_in(self) -> Any:
        return self._price("price_in")

    def clean_price_out(self) -> Any:
        return self._price("price_out")

    def _price(self, name: str) -> Any:
        price = self.cleaned_data[name]
        if price is not None and price < 0:
            raise ValidationError("A price cannot be below 0.")
        return price or 0

    def clean_file(self) -> Any:
        """Read at once, so that a bad line is named beside the field."""
        file = self.cleaned_data["file"]
        if file:
            endpoints.record_answers(self.instance, file)
        return file

    def save(self, commit: bool = True) -> Endpoint:
        """A key belongs to the address that it was entered for: whoever changes the address enters it anew."""
        key = self.cleaned_data.get("key", "")
        if key:
            self.instance.set_key(key)
        elif self._before[1] and self.instance.url != self._before[0]:
            self.instance.set_key("")
            self.key_dropped = True
        return super().save(commit)
