"""The form of a webhook."""

from django import forms

from atelier.webhooks import hooks
from atelier.webhooks.models import Webhook


class WebhookForm(forms.Form):
    url = forms.CharField(
        label="URL",
        max_length=hooks.URL_LENGTH,
        widget=forms.URLInput(attrs={"placeholder": "https://example.com/hooks/atelier"}),
        help_text="Events are posted to this URL as JSON, signed with a secret that is shown once.",
    )
    events = forms.MultipleChoiceField(
        label="Events", choices=Webhook.Event.choices, widget=forms.CheckboxSelectMultiple
    )
    is_active = forms.BooleanField(label="Send events", required=False, initial=True)

    def clean_url(self) -> str:
        return hooks.check_url(self.cleaned_data["url"])
