"""App configurations: the project itself, and Django's own apps with ObjectId keys in place of integers."""

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig
from django.contrib.auth.apps import AuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig

from eloquent.console import readable_json

# MongoDB has no AutoField. DEFAULT_AUTO_FIELD does not reach these apps: their own configurations name another.
OBJECT_ID_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"


class EloquentConfig(AppConfig):
    """The project package as an app, for its management commands and templates."""

    name = "eloquent"
    verbose_name = "Eloquent AI"

    def ready(self) -> None:
        """Give the staff console its first page, and `check` what it does not know."""
        # By now unfold has put its own site in the place of Django's.
        admin.site.index_template = "console/index.html"
        admin.site.index_title = "Overview"
        # Unfold colours JSON with inline styles, which the console's policy refuses.
        from unfold import fields  # loads forms, which need the apps

        fields.prettify_json = readable_json
        from eloquent import checks  # noqa: F401 - it registers itself, once the apps are there


class MongoAdminConfig(AdminConfig):
    """The admin, with its log of actions keyed by ObjectId."""

    default_auto_field = OBJECT_ID_FIELD


class MongoAuthConfig(AuthConfig):
    """Groups and permissions keyed by ObjectId."""

    default_auto_field = OBJECT_ID_FIELD


class MongoContentTypesConfig(ContentTypesConfig):
    """Content types keyed by ObjectId."""

    default_auto_field = OBJECT_ID_FIELD
