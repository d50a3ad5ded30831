"""Why a job does not run is a column, and no longer the beginning of its line."""

from django.db import migrations, models

from atelier.jobs.pause_reasons import reading


class Migration(migrations.Migration):

    dependencies = [
        ('inference', '0005_words'),
    ]

    operations = [
        migrations.AddField(
            model_name='evaluation',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.RunPython(reading('inference', 'evaluation'), migrations.RunPython.noop),
    ]
