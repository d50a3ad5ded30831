from django.db import migrations, models


class Migration(migrations.Migration):
    """Where each row of a version begins in its file, and its hash: by these two versions are compared."""

    dependencies = [("curation", "0003_team_curation")]

    operations = [
        migrations.AddField("versionentry", "begins", models.BigIntegerField(null=True)),
        migrations.AddField("versionentry", "digest", models.BigIntegerField(null=True)),
    ]
