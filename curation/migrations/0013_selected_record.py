"""A model has another name, its table keeps the one that it has."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('curation', '0012_mend_is_fix'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(state_operations=[
            migrations.RenameModel('Selected', 'SelectedRecord'),
            migrations.AlterModelTable('selectedrecord', 'curation_selected'),
        ]),
    ]
