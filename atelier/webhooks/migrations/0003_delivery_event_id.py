from django.db import migrations, models
from django.db.models import Value
from django.db.models.functions import Cast, Concat

import atelier.webhooks.models

BATCH = 500


def keep_ids_and_drop_replies(apps, schema_editor):
    """What was sent already keeps its id, so that repetitions are known; what private hosts replied is not kept."""
    Delivery = apps.get_model("webhooks", "Delivery")
    rows = Delivery.objects.using(schema_editor.connection.alias)
    rows.update(event_id=Concat(Value("evt_"), Cast("pk", models.CharField())))
    last = 0
    while batch := list(rows.filter(pk__gt=last).order_by("pk")[:BATCH]):
        for delivery in batch:
            delivery.tries = [{**each, "reply": ""} for each in delivery.tries]
        rows.bulk_update([delivery for delivery in batch if delivery.tries], ["tries"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0002_delivery_woken_at")]

    operations = [
        migrations.AddField("delivery", "event_id", models.CharField(default="", editable=False, max_length=40)),
        migrations.RunPython(keep_ids_and_drop_replies, migrations.RunPython.noop),
        migrations.AlterField(
            "delivery",
            "event_id",
            models.CharField(default=atelier.webhooks.models.new_event_id, editable=False, max_length=40),
        ),
    ]
