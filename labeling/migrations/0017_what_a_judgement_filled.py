from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("labeling", "0016_given_until"),
    ]

    operations = [
        migrations.AddField(
            model_name="promptjudgement",
            name="filled",
            field=models.JSONField(blank=True, default=dict),
        ),
    ]
