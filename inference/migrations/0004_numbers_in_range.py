"""The tables refuse numbers out of range, which SQLite kept and Django could not read again; those of before are healed."""

from decimal import Decimal
from django.conf import settings
from django.db import migrations, models

from atelier.web.border import BIGGEST_INT
from atelier.database.ranges import Range, healing


heal = healing(
    Range("inference_endpoint", "price_in", 0, Decimal("999999.9999")),
    Range("inference_endpoint", "price_out", 0, Decimal("999999.9999")),
    Range("inference_evaluation", '"limit"', 1, BIGGEST_INT, is_nulled=True, line=300),
    Range("inference_evaluation", "concurrency", 1, 64, line=300),
)


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('curation', '0009_numbers_in_range'),
        ('inference', '0003_deployment_sealed_key'),
        ('training', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunPython(heal, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.CheckConstraint(condition=models.Q(('price_in__gte', 0), ('price_in__lte', Decimal('999999.9999'))), name='inference_endpoint_price_in', violation_error_message='Price in: from 0 to 999,999.9999.'),
        ),
        migrations.AddConstraint(
            model_name='endpoint',
            constraint=models.CheckConstraint(condition=models.Q(('price_out__gte', 0), ('price_out__lte', Decimal('999999.9999'))), name='inference_endpoint_price_out', violation_error_message='Price out: from 0 to 999,999.9999.'),
        ),
        migrations.AddConstraint(
            model_name='evaluation',
            constraint=models.CheckConstraint(condition=models.Q(('limit__gte', 1), ('limit__lte', 2147483647)), name='inference_evaluation_limit', violation_error_message='Limit: from 1 to 2,147,483,647.'),
        ),
        migrations.AddConstraint(
            model_name='evaluation',
            constraint=models.CheckConstraint(condition=models.Q(('concurrency__gte', 1), ('concurrency__lte', 64)), name='inference_evaluation_concurrency', violation_error_message='Concurrency: from 1 to 64.'),
        ),
    ]
