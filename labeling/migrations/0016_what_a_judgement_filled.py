from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0015_readings"),
    ]

    operations = [
        migrations.AddField(
            model_name="promptjudgement",
            name="filled",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
