"""Forms of accounts, teams and projects. Fields are explicit, so that nothing else can be set."""

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm, UserCreationForm

from atelier.accounts import members, names
from atelier.accounts.models import APIKey, Project, Role, Team, User
from atelier.accounts.rules import checked_rules


class RegistrationForm(UserCreationForm):
    class Meta:
        model = User
        fields = ["username", "email"]

    def clean_username(self) -> str:
        """Refuse a username that reads like another: VERA is vera, and so is vera in full-width letters."""
        name = names.check_new(super().clean_username() or "")
        if members.named(name):
            raise forms.ValidationError("A user with that username already exists.")
        return name


class PasswordForm(PasswordChangeForm):
    """A new password, with the choice to keep or revoke the API keys."""

    revoke_keys = forms.BooleanField(
        label="Revoke my API keys",
        required=False,
        initial=True,
        help_text="Keep this on if someone may know your password, because they may have created keys. Your scripts will need new keys.",
    )


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ["name"]


class AccountForm(forms.Form):
    """The name of a new account."""

    username = forms.CharField(label="Name", max_length=150, help_text="Letters, digits and @ . + - _")

    def clean_username(self) -> str:
        return names.usual(self.cleaned_data["username"])


class MemberForm(AccountForm):
    """A person to invite to a team, with the role there."""

    role = forms.ChoiceField(choices=Role.choices, initial=Role.ANNOTATOR)


class KeyForm(forms.ModelForm):
    class Meta:
        model = APIKey
        fields = ["name"]


class ProjectForm(forms.ModelForm):
    class Meta:
        model = Project
        fields = ["name", "description", "guidelines", "student_prompt", "rules"]
        widgets = {
            "guidelines": forms.Textarea(attrs={"rows": 14}),
            "student_prompt": forms.Textarea(attrs={"rows": 2}),
            "rules": forms.Textarea(attrs={"rows": 12, "class": "mono", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team = team

    def clean_rules(self) -> str:
        return checked_rules(self.cleaned_data["rules"])

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        if self.team.projects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(f"The team already has a project called {name}. Choose another name.")
        return name


class NewProjectForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = ["name", "description"]
