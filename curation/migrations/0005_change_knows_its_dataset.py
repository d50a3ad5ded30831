"""What was done in a dataset is listed by an index, without a look at its records."""

import django.db.models.deletion
from django.db import migrations, models

FILL = """
    UPDATE curation_change SET dataset_id = (SELECT dataset_id FROM curation_record WHERE id = curation_change.record_id)
    WHERE dataset_id IS NULL
"""


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0004_deletion'),
    ]

    operations = [
        migrations.AddField(
            model_name='change',
            name='dataset',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='curation.dataset'),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name='change',
            index=models.Index(condition=models.Q(('bulk__isnull', True)), fields=['dataset', 'id', 'actor', 'action'], name='change_listed'),
        ),
    ]
