"""An endpoint is made once however often it is sent."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="endpoint",
            name="idempotency_key",
            field=models.CharField(blank=True, max_length=80, null=True),
        ),
        migrations.AddConstraint(
            model_name="endpoint",
            constraint=models.UniqueConstraint(fields=("project", "idempotency_key"), name="endpoint_idempotent"),
        ),
    ]
