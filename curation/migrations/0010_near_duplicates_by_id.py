"""Pages of near-duplicates are read by id: without a sort of all pairs for each."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [('curation', '0009_numbers_in_range')]

    operations = [
        migrations.AddIndex(
            model_name='nearduplicate',
            index=models.Index(fields=['dataset', 'id'], name='near_duplicates_by_id'),
        ),
    ]
