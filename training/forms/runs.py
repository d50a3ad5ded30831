"""The form of a new run: version, base and name, and every field of the recipe with its meaning."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project
from curation.models import Version
from training.bases import offers
from training.recipe.fields import FIELDS, Recipe
from training.runs import control

GROUPS = {
    "Length": ["epochs", "max_steps", "max_minutes", "max_length", "too_long", "system_prompt"],
    "Learning": ["learning_rate", "schedule", "warmup", "batch_size", "accumulation", "weight_decay", "max_grad_norm"],
    "Adapter": ["method", "rank", "alpha", "dropout", "targets"],
    "Machine": ["device", "precision", "fast_matmul", "gradient_checkpointing"],
    "Checkpoints": ["eval_every", "keep_best", "patience", "save_every", "keep_checkpoints", "seed"],
}


class RunForm(forms.Form):
    """A new training run: the fields that differ from the recipe shown are choices; the rest follows the chosen base.

    So the base can be changed without scripts: fields that nobody touched take the new base's values.
    """

    hide_optional = True  # every field has its value already; the few that may be empty say so

    version = forms.ModelChoiceField(Version.objects.none(), empty_label=None, label="Version")
    base = forms.ChoiceField(label="Base model")
    name = forms.CharField(max_length=120, required=False, help_text="Notes to yourself (optional).")
    fitted_for = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, project: Project, shown: Recipe, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        frozen = control.trainable(project)
        self.fields["version"].queryset = Version.objects.filter(pk__in=[v.pk for v in frozen]).order_by("-pk")
        self.fields["version"].label_from_instance = version_label
        self.fields["base"].choices = [(offer.base.slug, base_label(offer)) for offer in offers.offers(project)]
        self.initial = {"base": shown.base, "fitted_for": shown.base, **worded(shown), **self.initial}
        for name in FIELDS:
            if name != "base":
                self.fields[name] = recipe_field(name)

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Return the recipe's fields in groups, as the page shows them."""
        grouped = {name for names in GROUPS.values() for name in names}
        rest = [name for name in FIELDS if name not in grouped and name != "base"]
        titled = [*GROUPS.items(), *([("More", rest)] if rest else [])]
        return [(title, [self[name] for name in names if name in self.fields]) for title, names in titled]

    def has_recipe_errors(self) -> bool:
        return any(name in FIELDS and name != "base" for name in self.errors)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            data["recipe"] = control.recipe_for(data["base"], self.changes(data))
        except ValidationError as error:
            self.add_error(None, error)
        return data

    def changes(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields that a person changed. A form without a recipe, as the one button sends it, changes none."""
        fitted = control.fitting(data["fitted_for"] or data["base"]).to_dict()
        sent = {name for name in FIELDS if name != "base" and self.add_prefix(name) in self.data}
        if sent:
            sent |= {name for name, field in FIELDS.items() if field.type is bool}  # unticked boxes are not sent
        return {name: data[name] for name in sent if data.get(name) is not None and data[name] != fitted[name]}


def worded(shown: Recipe) -> dict[str, Any]:
    """Return a recipe's values as people write them: 3, not 3.0."""
    values = shown.to_dict()
    return {name: int(v) if isinstance(v, float) and v == int(v) else v for name, v in values.items()}


def version_label(version: Version) -> str:
    counts = version.counts()
    return f"{version}: {counts['train']} rows to train on, {counts['validation']} to validate"


def base_label(offer: offers.Offer) -> str:
    notes = ["on disk" if offer.row else "will be downloaded first"]
    if offer.base.untrainable:
        notes.append("cannot be trained here")
    elif not offer.can_train:
        notes.append(f"needs {offer.train_gib:g} GiB")
    return f"{offer.base.title} ({', '.join(notes)})"


def recipe_field(name: str) -> forms.Field:
    """Return a form field, made from the recipe's description of the field."""
    field, about = FIELDS[name], FIELDS[name].metadata
    common = {"label": about["label"], "help_text": about["help"], "required": False}
    if field.type is bool:
        return forms.BooleanField(**common)
    if "choices" in about:
        return forms.ChoiceField(choices=list(about["choices"].items()), **common)
    if field.type is str:
        widget = forms.Textarea(attrs={"rows": 2}) if name == "system_prompt" else forms.TextInput()
        return forms.CharField(max_length=about["max"], widget=widget, **common)
    limits = {"min_value": about["min"], "max_value": about["max"]}
    if field.type is int:
        return forms.IntegerField(**limits, **common)
    # Any step: browsers would refuse 0.00025 where the step is 0.0001.
    return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any"}), **limits, **common)
