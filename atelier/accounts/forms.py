"""Forms of accounts, teams and projects. Fields are explicit, so that nothing else can be set."""

from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm

from atelier.accounts.models import APIKey, Project, Role, Team, User
from inference.evaluation import checked_rules


class RegistrationForm(UserCreationForm):
    class Meta:
        model = User
        fields = ["username", "email"]


class TeamForm(forms.ModelForm):
    class Meta:
        model = Team
        fields = ["name"]


class MemberForm(forms.Form):
    """Adds somebody who has an account, or makes an account with a password to hand over."""

    username = forms.CharField(max_length=150, help_text="Letters, digits and @ . + - _")
    role = forms.ChoiceField(choices=Role.choices, initial=Role.ANNOTATOR)

    def clean_username(self) -> str:
        name = self.cleaned_data["username"]
        User.username_validator(name)
        return name


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
            raise forms.ValidationError(f"The team has a project called {name} already: choose another name.")
        return name


class NewProjectForm(ProjectForm):
    class Meta(ProjectForm.Meta):
        fields = ["name", "description"]
