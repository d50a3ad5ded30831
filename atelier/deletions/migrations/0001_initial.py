"""The end of a project, as a job of its team."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0003_project_deleted_at'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ProjectDeletion',
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
                ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deletions_of_it', to='accounts.project')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='project_deletions', to='accounts.team')),
            ],
            options={
                'abstract': False,
                'indexes': [models.Index(fields=['status', 'lease_until'], name='deletions_projectdeletion_live')],
                'constraints': [models.UniqueConstraint(fields=('project', 'idempotency_key'), name='deletions_projectdeletion_idempotent')],
            },
        ),
    ]
