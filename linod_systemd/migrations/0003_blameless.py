from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("linod_systemd", "0002_code_and_pauses"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="blameless",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="It ended badly, and its procedure could not help that.",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="owed",
            field=models.BooleanField(
                db_default=False,
                default=False,
                editable=False,
                help_text="Its slot is tried again, until the next one is due.",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("owed", True)), fields=["rule_name"], name="linod_job_owed"
            ),
        ),
    ]
