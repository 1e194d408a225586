from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0010_guesses_forgiven'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='openidresult',
            index=models.Index(fields=['user'], name='openid_results_of_user'),
        ),
        migrations.AddIndex(
            model_name='signinchallenge',
            index=models.Index(fields=['user'], name='sign_in_challenges_of_user'),
        ),
        migrations.AddField(
            model_name='user',
            name='password_expires_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
