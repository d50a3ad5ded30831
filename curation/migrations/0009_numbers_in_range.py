"""The tables refuse numbers out of range, which SQLite kept and Django could not read again; those of before are healed."""

from decimal import Decimal
from django.conf import settings
from django.db import migrations, models

from atelier.web.border import BIGGEST_INT
from atelier.database.ranges import Range, healing


heal = healing(
    Range("curation_annotation", "seconds", 0, 1e9),
    Range("curation_dataset", "seed", 0, BIGGEST_INT),
    Range("curation_version", "seed", 0, BIGGEST_INT),
    Range("curation_distillation", "budget", 0, Decimal("99999999.9999"), is_nulled=True, line=300),
    Range("curation_distillation", "cost", 0, Decimal("99999999.999999"), line=300),
    Range("curation_distillation", '"limit"', 1, BIGGEST_INT, is_nulled=True, line=300),
    Range("curation_distillation", "concurrency", 1, 64, line=300),
    Range("curation_queue", "overlap", 1, 20),
    Range("curation_queue", "lock_minutes", 1, 1440),
    Range("curation_queue", "honeypot_rate", 0, 0.5),
    Range("curation_queue", "tolerance", 0.5, 1),
    Range("curation_suggestion", "score", 0, 1, is_nulled=True),
)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('curation', '0008_times_of_six_digits'),
        ('inference', '0002_endpoint_idempotent'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(heal, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='annotation',
            constraint=models.CheckConstraint(condition=models.Q(('seconds__gte', 0), ('seconds__lte', 1000000000.0)), name='curation_annotation_seconds', violation_error_message='Seconds: from 0 to 1,000,000,000.0.'),
        ),
        migrations.AddConstraint(
            model_name='dataset',
            constraint=models.CheckConstraint(condition=models.Q(('seed__gte', 0), ('seed__lte', 2147483647)), name='curation_dataset_seed', violation_error_message='Seed: from 0 to 2,147,483,647.'),
        ),
        migrations.AddConstraint(
            model_name='distillation',
            constraint=models.CheckConstraint(condition=models.Q(('budget__gte', 0), ('budget__lte', Decimal('99999999.9999'))), name='curation_distillation_budget', violation_error_message='Budget: from 0 to 99,999,999.9999.'),
        ),
        migrations.AddConstraint(
            model_name='distillation',
            constraint=models.CheckConstraint(condition=models.Q(('cost__gte', 0), ('cost__lte', Decimal('99999999.999999'))), name='curation_distillation_cost', violation_error_message='Cost: from 0 to 99,999,999.999999.'),
        ),
        migrations.AddConstraint(
            model_name='distillation',
            constraint=models.CheckConstraint(condition=models.Q(('limit__gte', 1), ('limit__lte', 2147483647)), name='curation_distillation_limit', violation_error_message='Limit: from 1 to 2,147,483,647.'),
        ),
        migrations.AddConstraint(
            model_name='distillation',
            constraint=models.CheckConstraint(condition=models.Q(('concurrency__gte', 1), ('concurrency__lte', 64)), name='curation_distillation_concurrency', violation_error_message='Concurrency: from 1 to 64.'),
        ),
        migrations.AddConstraint(
            model_name='queue',
            constraint=models.CheckConstraint(condition=models.Q(('overlap__gte', 1), ('overlap__lte', 20)), name='curation_queue_overlap', violation_error_message='Overlap: from 1 to 20.'),
        ),
        migrations.AddConstraint(
            model_name='queue',
            constraint=models.CheckConstraint(condition=models.Q(('lock_minutes__gte', 1), ('lock_minutes__lte', 1440)), name='curation_queue_lock_minutes', violation_error_message='Lock minutes: from 1 to 1,440.'),
        ),
        migrations.AddConstraint(
            model_name='queue',
            constraint=models.CheckConstraint(condition=models.Q(('honeypot_rate__gte', 0), ('honeypot_rate__lte', 0.5)), name='curation_queue_honeypot_rate', violation_error_message='Honeypot rate: from 0 to 0.5.'),
        ),
        migrations.AddConstraint(
            model_name='queue',
            constraint=models.CheckConstraint(condition=models.Q(('tolerance__gte', 0.5), ('tolerance__lte', 1)), name='curation_queue_tolerance', violation_error_message='Tolerance: from 0.5 to 1.'),
        ),
        migrations.AddConstraint(
            model_name='suggestion',
            constraint=models.CheckConstraint(condition=models.Q(('score__gte', 0), ('score__lte', 1)), name='curation_suggestion_score', violation_error_message='Score: from 0 to 1.'),
        ),
        migrations.AddConstraint(
            model_name='version',
            constraint=models.CheckConstraint(condition=models.Q(('seed__gte', 0), ('seed__lte', 2147483647)), name='curation_version_seed', violation_error_message='Seed: from 0 to 2,147,483,647.'),
        ),
    ]
