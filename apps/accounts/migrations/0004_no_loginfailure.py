from django.db import migrations


class Migration(migrations.Migration):
    """Failed logins are counted as everything else is: apps.core.limits."""

    dependencies = [("accounts", "0003_groups")]

    operations = [migrations.DeleteModel(name="LoginFailure")]
