"""Forms of the bulk actions that need more than a click. Their fields begin with `o-`, so that filters keep their names."""

from typing import Any

from django import forms

from atelier.accounts.models import Membership, Role
from curation.bulk import keys
from curation.bulk import replace as text_replace
from curation.bulk.options import KEEP, PIECES
from curation.checks import record_fixes
from curation.models import BulkAction, Dataset, Record
from curation.quality import problems
from curation.search import facets

Action = BulkAction.Action
PIECE_LABELS = {
    "all": "All texts",
    "fields": "Source fields",
    "system": "System messages",
    "user": "User messages",
    "assistant": "Assistant messages",
    "tool": "Tool results",
    "chosen": "Chosen answers",
    "rejected": "Rejected answers",
    "metadata": "Metadata",
}


class OptionsForm(forms.Form):
    """The options of a bulk action. `options()` returns them as `curation.bulk.actions.begin` takes them."""

    prefix = "o"
    hide_optional = True

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        self.prepare()

    def prepare(self) -> None:
        """Fill in the choices that depend on the dataset."""

    def options(self) -> dict[str, Any]:
        return dict(self.cleaned_data)

    def sent(self) -> list[tuple[str, str]]:
        """Return the names and values of its fields as they were sent, to send them once more."""
        names = [self.add_prefix(name) for name in self.fields]
        return [(name, value) for name in names for value in self.data.getlist(name)]


class LabelForm(OptionsForm):
    labels = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple, required=False)
    others = forms.CharField(
        label="Other labels", max_length=1000, required=False, help_text="Separate several labels with commas."
    )

    def offered(self) -> list[str]:
        return list(self.dataset.labels)

    def prepare(self) -> None:
        offered = self.offered()
        self.fields["labels"].choices = [(label, label) for label in offered]
        if not offered:
            del self.fields["labels"]
            self.fields["others"].label = "Labels"

    def options(self) -> dict[str, Any]:
        others = [label.strip() for label in self.cleaned_data["others"].split(",")]
        return {"labels": [*self.cleaned_data.get("labels", []), *filter(None, others)]}


class UnlabelForm(LabelForm):
    def offered(self) -> list[str]:
        """Return the labels that some record has; others cannot be removed."""
        return sorted(
            label for (facet, label), count in facets.tallies(self.dataset).items() if facet == "label" and count
        )


class ReplaceForm(OptionsForm):
    find = forms.CharField(
        max_length=text_replace.MOST_FIND,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 1, "data-autosize": "", "spellcheck": "false"}),
    )
    replace = forms.CharField(
        label="Replace with",
        max_length=text_replace.MOST_REPLACE,
        strip=False,
        required=False,
        widget=forms.Textarea(attrs={"rows": 1, "data-autosize": ""}),
        help_text="Leave empty to remove the matches. With a regular expression, \\1 stands for the first group.",
    )
    pieces = forms.ChoiceField(label="In", choices=[(piece, PIECE_LABELS[piece]) for piece in PIECES])
    regex = forms.BooleanField(label="Regular expression", required=False)
    case = forms.BooleanField(label="Match case", required=False)
    words = forms.BooleanField(label="Whole words only", required=False)


class MaskForm(OptionsForm):
    pieces = forms.ChoiceField(
        label="In",
        choices=[(piece, PIECE_LABELS[piece]) for piece in PIECES],
        help_text="Addresses, numbers, names and keys become [EMAIL_1], [NAME_1] …; the same value gets the same mark in all texts of a record.",
    )


class CopyForm(OptionsForm):
    dataset = forms.ChoiceField(label="Into", error_messages={"required": "Choose a dataset to copy into."})
    status = forms.ChoiceField(
        label="Status of the copies", choices=[("new", "To review"), (KEEP, "Unchanged"), *Record.Status.choices[1:]]
    )

    def prepare(self) -> None:
        others = self.dataset.project.datasets.filter(kind=self.dataset.kind).exclude(pk=self.dataset.pk)
        self.fields["dataset"].choices = [(str(other.pk), other.name) for other in others.order_by("name")]
        if len(self.fields["dataset"].choices) > 1:  # none is right by being the first
            self.fields["dataset"].choices = [("", "Choose a dataset"), *self.fields["dataset"].choices]
        if not self.fields["dataset"].choices:
            self.fields[
                "dataset"
            ].help_text = f"The project has no other dataset of {self.dataset.kind}. Create one first."


class AssignForm(OptionsForm):
    users = forms.MultipleChoiceField(label="To", widget=forms.CheckboxSelectMultiple)
    evenly = forms.ChoiceField(
        label="How",
        widget=forms.RadioSelect,
        choices=[
            ("1", "Evenly: each record to as many annotators as it needs answers"),
            ("0", "Every record to everyone chosen"),
        ],
    )

    def prepare(self) -> None:
        members = Membership.objects.filter(team=self.dataset.project.team).exclude(role=Role.VIEWER)
        names = members.order_by("user__username").values_list("user__username", flat=True)
        self.fields["users"].choices = [(name, name) for name in names]


class FixForm(OptionsForm):
    codes = forms.MultipleChoiceField(
        label="Problems",
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="If you tick none, all are fixed. Problems that cannot be fixed stay unchanged.",
    )

    def prepare(self) -> None:
        titles = {code: problems.ProblemGroup(code, 0).title for code in record_fixes.FIXABLE}
        self.fields["codes"].choices = sorted(titles.items(), key=lambda item: item[1])


class KeyForm(OptionsForm):
    hide_optional = False

    place = forms.ChoiceField(
        label="Key of", choices=[("metadata", "Metadata"), ("messages", "Messages"), ("fields", "Source fields")]
    )
    key = forms.CharField(max_length=keys.MOST_KEY, strip=False, help_text="The key as it is, capitals included.")
    change = forms.ChoiceField(
        label="Change",
        widget=forms.RadioSelect,
        choices=[
            ("rename", "Rename it"),
            ("move", "Move it to another place"),
            ("remove", "Remove it, with its value"),
        ],
    )
    to = forms.CharField(
        label="New name",
        max_length=keys.MOST_KEY,
        strip=False,
        required=False,
        help_text="A record that already has this key with another value stays as it is, and is listed.",
    )
    into = forms.ChoiceField(
        label="Move to",
        required=False,
        choices=[("", "–"), ("metadata", "Metadata"), ("fields", "Source fields"), ("system", "System message")],
    )


FORMS: dict[str, type[OptionsForm]] = {
    Action.LABEL: LabelForm,
    Action.UNLABEL: UnlabelForm,
    Action.REPLACE: ReplaceForm,
    Action.MASK: MaskForm,
    Action.FIX: FixForm,
    Action.COPY: CopyForm,
    Action.ASSIGN: AssignForm,
    Action.KEY: KeyForm,
}
FIRST: dict[str, dict[str, Any]] = {
    Action.REPLACE: {"pieces": "all", "case": True},
    Action.MASK: {"pieces": "all"},
    Action.COPY: {"status": "new"},
    Action.ASSIGN: {"evenly": "1"},
    Action.KEY: {"place": "metadata", "change": "rename"},
}
