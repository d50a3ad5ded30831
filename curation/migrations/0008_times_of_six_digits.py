"""Times that SQLite itself wrote have three digits of the second; compared as text with six, pages showed records twice."""

from django.db import migrations

FILL = "UPDATE curation_record SET changed_at = changed_at || '000' WHERE length(changed_at) = length('2026-11-21 19:53:41.236')"


def fill(apps, editor):
    if editor.connection.vendor == "sqlite":
        editor.execute(FILL)


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0007_change_names_its_import'),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
