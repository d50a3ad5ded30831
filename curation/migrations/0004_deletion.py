"""Datasets are hidden at once, and deleted by a job."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('curation', '0003_counted_by'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Deletion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('status', models.CharField(choices=[('draft', 'Being prepared'), ('queued', 'Queued'), ('running', 'Running'), ('paused', 'Paused'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='queued', max_length=10)),
                ('queued_at', models.DateTimeField(null=True)),
                ('woken_at', models.DateTimeField(null=True)),
                ('started_at', models.DateTimeField(null=True)),
                ('finished_at', models.DateTimeField(null=True)),
                ('fence', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(null=True)),
                ('interruptions', models.PositiveSmallIntegerField(default=0)),
                ('done', models.BigIntegerField(default=0)),
                ('done_at_interruption', models.BigIntegerField(default=-1)),
                ('total', models.BigIntegerField(default=0)),
                ('line', models.CharField(blank=True, max_length=300)),
                ('error', models.TextField(blank=True)),
                ('cancel_wanted', models.BooleanField(default=False)),
                ('pause_wanted', models.BooleanField(default=False)),
                ('idempotency_key', models.CharField(blank=True, max_length=80, null=True)),
                ('name', models.CharField(max_length=120)),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.AddField(
            model_name='dataset',
            name='deleted_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='deletion',
            name='created_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='deletion',
            name='dataset',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deletions', to='curation.dataset'),
        ),
        migrations.AddField(
            model_name='deletion',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='%(class)ss', to='accounts.project'),
        ),
        migrations.AddIndex(
            model_name='deletion',
            index=models.Index(fields=['status', 'lease_until'], name='curation_deletion_live'),
        ),
        migrations.AddConstraint(
            model_name='deletion',
            constraint=models.UniqueConstraint(fields=('project', 'idempotency_key'), name='curation_deletion_idempotent'),
        ),
    ]
