"""The form of an import: one of several sources, and the dataset for its rows."""

from typing import Any, NamedTuple

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from atelier.accounts.models import Project
from curation.datasets import settings as dataset_settings
from curation.imports import drafts
from curation.imports.origins import collect
from curation.models import Dataset

NEW = "new"
FILES = 1000
PASTED = 2_000_000


class OtherSource(NamedTuple):
    """A source besides files, with the names of its fields."""

    kind: str
    title: str
    fields: list[str]


class FilesInput(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files, as a list."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        files = data if isinstance(data, list | tuple) else [data] if data else []
        if len(files) > FILES:
            raise ValidationError(f"At most {FILES:,} files can be imported at once. Pack them into a zip.")
        for file in files:
            if file.size == 0:
                other = ", or leave it out" if len(files) > 1 else ""
                raise ValidationError(f"{file.name} is empty. Choose a file with rows{other}.")
        return [super(FilesField, self).clean(file, initial) for file in files]


class ImportForm(forms.Form):
    """Files, or one of the other sources, and the dataset that takes the rows."""

    file = FilesField(required=False, label="Files", max_length=1000)
    url = forms.CharField(
        required=False, label="URL", max_length=2000,
        widget=forms.URLInput(attrs={"placeholder": "https://example.org/data.jsonl"}),
        help_text="The file is downloaded in the background; then you see the preview.",
    )  # fmt: skip
    text = forms.CharField(
        required=False, label="Text", max_length=PASTED, strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}), help_text="Rows as JSON Lines, JSON, CSV or TSV.",
    )  # fmt: skip
    hub_name = forms.CharField(
        required=False, label="Dataset", max_length=300, help_text="Named as on the hub: owner/name."
    )
    hub_config = forms.CharField(required=False, label="Configuration", max_length=200)
    hub_split = forms.CharField(required=False, label="Split", max_length=200, help_text="Defaults to train.")
    hub_revision = forms.CharField(
        required=False, label="Revision", max_length=200, help_text="A branch, tag or commit."
    )
    s3_address = forms.CharField(required=False, label="Bucket and prefix", max_length=1000,
                                 widget=forms.TextInput(attrs={"placeholder": "s3://bucket/prefix"}))  # fmt: skip
    s3_endpoint = forms.CharField(required=False, label="Endpoint", max_length=1000, help_text="Leave empty for AWS.")
    s3_region = forms.CharField(required=False, label="Region", max_length=40)
    s3_access_key = forms.CharField(required=False, label="Access key", max_length=200)
    s3_secret_key = forms.CharField(
        required=False, label="Secret key", max_length=200, help_text="Stored encrypted until the files are downloaded, then deleted.",
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )  # fmt: skip
    folder_path = forms.CharField(required=False, label="Folder or file on the server", max_length=1000)
    dataset = forms.ChoiceField(label="Dataset")
    name = forms.CharField(
        label="Name of the new dataset", max_length=dataset_settings.NAME_LENGTH, required=False, help_text="Defaults to the source's name.",
    )  # fmt: skip

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        if not settings.IMPORT_FOLDERS:
            del self.fields["folder_path"]
        self.fields["dataset"].choices = [
            (NEW, "New dataset"),
            *((str(d.pk), d.name) for d in project.datasets.order_by("-pk")),
        ]

    @property
    def other_sources(self) -> list[OtherSource]:
        """Return the sources besides files, as this installation allows them."""
        titles = {"hub": "Hugging Face dataset", "s3": "An S3 bucket", "folder": "Folder on the server"}
        sources = [OtherSource("url", "URL", ["url"]), OtherSource("text", "Paste text", ["text"])]
        for kind, title in titles.items():
            if names := [name for name in self.fields if name.startswith(f"{kind}_")]:
                sources.append(OtherSource(kind, title, names))
        return sources

    def clean_url(self) -> str:
        url = self.cleaned_data["url"].strip()
        if url:
            drafts.check_url(url)
        return url

    def clean_text(self) -> str:
        text = self.cleaned_data["text"]
        if text and not text.strip():
            raise ValidationError("The text contains only blanks. Paste the rows, or clear the field.")
        return text

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        kinds = ["file"] if data.get("file") else []
        kinds += [source.kind for source in self.other_sources if data.get(source.fields[0])]
        if len(kinds) != 1:
            raise ValidationError("Choose files, or fill in exactly one of the other sources.")
        data["kind"] = kinds[0]
        if kinds[0] in collect.KINDS:
            collect.clean(self._origin(kinds[0], data))
        return data

    def _origin(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        names = [name for name in self.fields if name.startswith(f"{kind}_")]
        return {"kind": kind, **{name.removeprefix(f"{kind}_"): data[name] for name in names}}

    @property
    def source(self) -> dict[str, Any]:
        """Return the source as `drafts.begin` takes it."""
        data = self.cleaned_data
        if data["kind"] == "file":
            files = data["file"]
            return {"file": files[0], "name": files[0].name} if len(files) == 1 else {"files": files}
        if data["kind"] in collect.KINDS:
            return {"origin": self._origin(data["kind"], data)}
        return {data["kind"]: data[data["kind"]]}

    def target(self) -> tuple[Dataset, bool]:
        """Return the dataset, and whether it was created for this import. Raises ValidationError for a name that is taken."""
        if self.cleaned_data["dataset"] != NEW:
            return self.project.datasets.get(pk=self.cleaned_data["dataset"]), False
        name = self.cleaned_data["name"].strip()
        return dataset_settings.create(self.project, None, name or self._free_name()), True

    def _free_name(self) -> str:
        """Return the source's name without its endings, with a number if it is taken."""
        data, source = self.cleaned_data, self.source
        whole = {
            "file": data["file"][0].name if data["file"] else "", "url": data["url"].split("?")[0], "text": "Pasted",
        }.get(data["kind"]) or collect.name_of(source["origin"])  # fmt: skip
        stem = whole.rstrip("/").rsplit("/", 1)[-1].split(".")[0]
        stem = "".join(char for char in stem if char.isprintable()).strip()[:100] or "Imported"
        taken = set(self.project.datasets.values_list("name", flat=True))
        return next(name for name in [stem, *(f"{stem} {n}" for n in range(2, len(taken) + 3))] if name not in taken)
