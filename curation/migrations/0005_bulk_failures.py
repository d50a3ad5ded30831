import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("curation", "0004_version_entry_lines")]

    operations = [
        migrations.CreateModel(
            name="BulkFailure",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("reason", models.CharField(max_length=300)),
                (
                    "bulk",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="failures",
                        to="curation.bulkaction",
                    ),
                ),
                (
                    "record",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="curation.record"
                    ),
                ),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("bulk", "record"), name="one_failure_a_record")],
            },
        ),
    ]
