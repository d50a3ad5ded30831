"""`mend` became `fix`: the action, what it did to records, the choice in mappings; and of problems `mendable` became `fixable`.

Not atomic: each batch is committed by itself, so that an upgrade of many records holds no long lock, and one that was
interrupted goes on where it was. Only records with problems, and changes of such actions, are read.
"""

from django.db import migrations, models
from django.db.models import Value
from django.db.models.functions import Replace

SIZE = 500
ACTIONS = [
    ('accept', 'Accept'), ('reject', 'Reject'), ('skip', 'Skip'), ('reopen', 'Return to “To review”'), ('delete', 'Delete'), ('undo', 'Undo'),
    ('split', 'Reassign the splits of'), ('label', 'Label'), ('unlabel', 'Remove a label from'), ('assign', 'Assign'),
    ('replace', 'Find and replace in'), ('mask', 'Mask personal data in'), ('fix', 'Fix'), ('copy', 'Copy'),
]  # fmt: skip


def forwards(apps, editor):
    _actions(apps, "mend", "fix", "mended", "fixed")
    _mappings(apps, "mend", "fix")
    _problems(apps, editor, "mendable", "fixable")


def backwards(apps, editor):
    _actions(apps, "fix", "mend", "fixed", "mended")
    _mappings(apps, "fix", "mend")
    _problems(apps, editor, "fixable", "mendable")


def _batches(rows):
    """The ids of rows, so many at once; what is done to a batch may take it out of `rows`."""
    last = 0
    while pks := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:SIZE]):
        yield pks
        last = pks[-1]


def _actions(apps, old, new, old_word, new_word):
    action, change = apps.get_model("curation", "BulkAction"), apps.get_model("curation", "Change")
    sentence = Replace("line", Value(f" {old_word}"), Value(f" {new_word}"))
    for pks in _batches(action.objects.filter(action=old)):
        for pk in pks:
            for changes in _batches(change.objects.filter(bulk=pk, action=old)):
                change.objects.filter(pk__in=changes).update(action=new)
        # Last, for an interrupted upgrade finds by it what is left to do.
        action.objects.filter(pk__in=pks).update(action=new, line=sentence)
    for pks in _batches(change.objects.filter(bulk=None, action=old)):
        change.objects.filter(pk__in=pks).update(action=new)


def _mappings(apps, old, new):
    """Of imports, and of datasets, whose last one is suggested for the next file."""
    for name in ("Import", "Dataset"):
        model = apps.get_model("curation", name)
        for pks in _batches(model.objects.filter(mapping__has_key=old)):
            rows = list(model.objects.filter(pk__in=pks).only("mapping"))
            for row in rows:
                row.mapping[new] = row.mapping.pop(old)
            model.objects.bulk_update(rows, ["mapping"])


def _problems(apps, editor, old, new):
    """As text: within a JSON string a quotation mark is escaped, so `"mendable":` is never anything but the key.

    Rows that are done are passed over, so that an upgrade that was interrupted does not write them again.
    """
    record = apps.get_model("curation", "Record")
    text, cast = ("problems::text", "::jsonb") if editor.connection.vendor == "postgresql" else ("problems", "")
    with editor.connection.cursor() as cursor:
        for pks in _batches(record.objects.filter(problem_count__gt=0)):
            places = ", ".join(["%s"] * len(pks))
            cursor.execute(
                f"UPDATE curation_record SET problems = replace({text}, %s, %s){cast} WHERE {text} LIKE %s AND id IN ({places})",
                [f'"{old}":', f'"{new}":', f'%"{old}":%', *pks],
            )


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ('curation', '0011_words'),
    ]

    operations = [
        migrations.AlterField(
            model_name='bulkaction',
            name='action',
            field=models.CharField(choices=ACTIONS, max_length=10),
        ),
        migrations.RunPython(forwards, backwards),
    ]
