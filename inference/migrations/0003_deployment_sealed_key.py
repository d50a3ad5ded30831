from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inference", "0002_endpoint_idempotent")]

    operations = [
        migrations.AddField("deployment", "sealed_key", models.TextField(blank=True, default="", editable=False)),
    ]
