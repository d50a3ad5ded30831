"""Why a job does not run is a column, and no longer the beginning of its line."""

from django.db import migrations, models

from atelier.jobs.pause_reasons import reading


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0013_selected_record'),
    ]

    operations = [
        migrations.AddField(
            model_name='agreementreport',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='bulkaction',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='check',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='deletion',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='distillation',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='export',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='import',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.AddField(
            model_name='version',
            name='pause_reason',
            field=models.CharField(blank=True, choices=[('person', 'Paused by a person'), ('check', 'Needs a check by a person'), ('budget', 'The budget is spent'), ('turn', 'Waiting for its turn'), ('disk', 'The disk is full')], default='', max_length=10),
        ),
        migrations.RunPython(reading('curation', 'agreementreport', 'bulkaction', 'check', 'deletion', 'distillation', 'export', 'import', 'version'), migrations.RunPython.noop),
    ]
