"""The form of an endpoint; its fields depend on the kind."""

import json
from contextlib import AbstractContextManager
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms.fields import InvalidJSONInput

from atelier.accounts.models import Upload
from atelier.audit import trail
from atelier.audit.models import AuditAction
from inference import endpoints
from inference.models import Endpoint

# Served endpoints are made by deploying a model, so nobody types their address.
ADDABLE = [Endpoint.Kind.OPENAI, Endpoint.Kind.MISTRAL, Endpoint.Kind.RECORDED]
LEFT_OUT = {
    Endpoint.Kind.OPENAI: {"file"},
    Endpoint.Kind.MISTRAL: {"file", "url"},
    Endpoint.Kind.RECORDED: {
        "url",
        "model",
        "key",
        "price_in",
        "price_out",
        "tokens_field",
        "left_out",
        "more_fields",
    },
    Endpoint.Kind.SERVED: {"url", "model", "key", "file", "tokens_field", "left_out"},
}


class JSONField(forms.JSONField):
    """A field of JSON that refuses in a sentence also what Python cannot read or a database cannot hold.

    That is a number of thousands of digits, NaN, or a nesting without end.
    """

    def to_python(self, value: Any) -> Any:
        try:
            found = super().to_python(value)
            json.dumps(found, allow_nan=False)
        except (ValueError, RecursionError) as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        try:
            return super().bound_data(data, initial)
        except (ValueError, RecursionError):
            return InvalidJSONInput(data)


class EndpointForm(forms.ModelForm):
    key = forms.CharField(
        label="API key",
        required=False,
        strip=True,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown again. Leave it empty if the server needs none.",
    )
    file = forms.FileField(
        label="Recorded answers",
        required=False,
        error_messages={"empty": "The file is empty. Choose one with an answer on each line."},
        help_text='JSONL, each line {"id", "prompt", "answer"}. Prompts that are not in the file return an error.',
    )

    left_out = forms.MultipleChoiceField(
        label="Fields left out of requests",
        required=False,
        choices=Endpoint.Sampled.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text="Sampling that the server refuses. The test call finds out.",
    )
    more_fields = JSONField(
        label="Further fields of requests",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text='JSON, such as {"reasoning_effort": "low"} or {"chat_template_kwargs": {"enable_thinking": false}}.',
    )

    class Meta:
        model = Endpoint
        fields = [
            "name", "url", "model", "key", "file", "price_in", "price_out", "tokens_field", "left_out", "more_fields",
            "is_teacher",
        ]  # fmt: skip
        labels = {
            "url": "URL",
            "model": "Model",
            "price_in": "Price per million prompt tokens",
            "price_out": "Price per million answer tokens",
            "tokens_field": "Limit of tokens is sent as",
            "is_teacher": "Use as a teacher",
        }
        help_texts = {
            "name": "The name shown on pages and in ledgers.",
            "url": "Up to and including /v1, such as https://api.example.com/v1.",
            "model": "The model's name on the server.",
            "price_in": "For estimates, costs and budgets; 0 if it is free. Use the same currency everywhere.",
            "tokens_field": "Reasoning models of some providers want max_completion_tokens. The test call finds out.",
            "is_teacher": "Teachers are listed first where you choose who writes answers.",
        }

    def __init__(self, *args: Any, kind: str, project: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.kind, self.instance.project = kind, project
        self._before = (self.instance.url, bool(self.instance.sealed_key)) if self.instance.pk else ("", False)
        self.key_dropped = False
        self.upload: Upload | None = None  # of a file that was checked, until the endpoint is saved
        for name in LEFT_OUT[Endpoint.Kind(kind)]:
            del self.fields[name]
        for name in {"url", "model"} & set(self.fields):
            self.fields[name].required = True
        for name in {"price_in", "price_out"} & set(self.fields):
            self.fields[name].min_value, self.fields[name].required = 0, False
        if "tokens_field" in self.fields:
            self.fields["tokens_field"].required = False
        if "file" in self.fields:
            self.fields["file"].required = not self.instance.answers
        if "key" in self.fields and self._before[1]:
            self.fields["key"].help_text = "A key is stored. Leave this empty to keep it, or enter a new one."

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if self.instance.project.endpoints.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise ValidationError(
                f"The project already has an endpoint called {name} (possibly archived). Choose another name."
            )
        return name

    def clean_url(self) -> str:
        return endpoints.check_url(self.cleaned_data["url"])

    def clean_price_in(self) -> Any:
        return self._price("price_in")

    def clean_price_out(self) -> Any:
        return self._price("price_out")

    def clean_tokens_field(self) -> str:
        return self.cleaned_data["tokens_field"] or Endpoint.TokensField.MAX_TOKENS

    def clean_more_fields(self) -> dict[str, Any]:
        return endpoints.check_more(self.cleaned_data["more_fields"])

    def _price(self, name: str) -> Any:
        price = self.cleaned_data[name]
        if price is not None and price < 0:
            raise ValidationError("A price can't be below 0.")
        return price or 0

    def clean(self) -> dict[str, Any]:
        """Validate the form. A file is read once all else is right, so that a bad line is named beside its field."""
        data = super().clean()
        if data.get("file") and not self.errors:
            try:
                self.upload = endpoints.check_answers(self.instance.project, data["file"])
            except ValidationError as error:
                self.add_error("file", error)
        return data

    def save_noted(self, asker: trail.Asker, action: AuditAction) -> Endpoint:
        """Save a valid form with its file, and note the action in the same transaction."""
        with self._saving():
            endpoint = self.save()
            endpoints.note(asker, action, endpoint, changed=self.changed_data, key_dropped=self.key_dropped or None)
        return endpoint

    def _saving(self) -> AbstractContextManager[None]:
        if self.upload is None:
            return transaction.atomic()
        return endpoints.storing(self.instance, self.cleaned_data["file"], self.upload)

    def save(self, commit: bool = True) -> Endpoint:
        """Save the endpoint. A key belongs to the URL that it was entered for: with another URL it must be entered again."""
        key = self.cleaned_data.get("key", "")
        if key:
            self.instance.set_key(key)
        elif self._before[1] and self.instance.url != self._before[0]:
            self.instance.set_key("")
            self.key_dropped = True
        return super().save(commit)
