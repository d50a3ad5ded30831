"""Records remember which tokenizer counted them, so that a freeze need not count again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0002_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='record',
            name='answer_tokens',
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='record',
            name='counted_by',
            field=models.IntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='versionentry',
            name='version',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='entries', to='curation.version'),
        ),
    ]
