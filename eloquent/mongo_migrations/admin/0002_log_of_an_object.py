"""An index for what the log says of one object: an erasure takes names out of it."""

from django.db import migrations

NAME = "admin_log_object"


def add(apps, schema_editor):
    schema_editor.connection.database["django_admin_log"].create_index([("object_id", 1)], name=NAME)


def remove(apps, schema_editor):
    schema_editor.connection.database["django_admin_log"].drop_index(NAME)


class Migration(migrations.Migration):

    dependencies = [("admin", "0001_initial")]

    operations = [migrations.RunPython(add, remove)]
