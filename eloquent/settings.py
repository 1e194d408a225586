"""Django's settings, made from `eloquent.foundation.config`: a setting that depends on the place is read there."""

import warnings
from pathlib import Path
from typing import Any

from eloquent import console
from eloquent.foundation.config import get_config
from eloquent.foundation.logs import configure_logging
from eloquent.mail_transport import mail_settings
from eloquent.object_storage import attachment_storage, export_storage

_config = get_config()

BASE_DIR = Path(__file__).resolve().parent.parent
DEBUG = _config.debug
SECRET_KEY = _config.secret_key.get_secret_value()
SECRET_KEY_FALLBACKS = list(_config.earlier_secret_keys)
ALLOWED_HOSTS = list(_config.allowed_hosts)
ROOT_URLCONF = "eloquent.urls"
ASGI_APPLICATION = "eloquent.asgi.application"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "eloquent.apps.MongoAdminConfig",
    "eloquent.apps.MongoAuthConfig",
    "eloquent.apps.MongoContentTypesConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_mongodb_backend",
    "channels",
    "ninja",  # for its copy of Swagger's files: the API's page loads nothing from elsewhere
    "eloquent.apps.EloquentConfig",
    "accounts",
    "inference",
    "chat",
]

# The request road (/api, /v1, /.well-known, /healthz, /readyz): async functions only, see eloquent.handlers.
REQUEST_ROAD_MIDDLEWARE = ["eloquent.middleware.request_road"]

# The desk road: the admin and pages.
MIDDLEWARE = [
    "eloquent.middleware.DeskRoadMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.second_factor.console.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.cached.Loader", ["eloquent.page_nonces.NonceLoader"])],
            "builtins": ["eloquent.templatetags.nonces"],
            "context_processors": [
                "eloquent.page_nonces.csp_nonce",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": {
        "ENGINE": "eloquent.mongodb",
        "HOST": _config.mongodb_uri.get_secret_value(),
        "NAME": _config.mongodb_name,
    }
}
DATABASE_ROUTERS = ["django_mongodb_backend.routers.MongoRouter"]
DEFAULT_AUTO_FIELD = "django_mongodb_backend.fields.ObjectIdAutoField"
MIGRATION_MODULES = {
    "admin": "eloquent.mongo_migrations.admin",
    "auth": "eloquent.mongo_migrations.auth",
    "contenttypes": "eloquent.mongo_migrations.contenttypes",
}

# The desk road's cache is small and its own; the request road uses none.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

CHANNEL_LAYERS = {
    "default": (
        {"BACKEND": "channels.layers.InMemoryChannelLayer"}
        if _config.redis_url is None
        else {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [_config.redis_url.get_secret_value()], "prefix": "eloquent"},
        }
    )
}

AUTH_USER_MODEL = "accounts.User"
LOGIN_REDIRECT_URL = "/admin/"  # the only pages with a sign-in of Django's
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.password_rules.LengthValidator"},
    {"NAME": "accounts.password_rules.NotCommonValidator"},
    {
        "NAME": "accounts.password_rules.NotTheNamesValidator",
        "OPTIONS": {"house_words": _config.password_house_words},
    },
]
PASSWORD_HASHERS = ["accounts.passwords.Argon2Hasher"]

USE_TZ = True
TIME_ZONE = "UTC"  # MongoDB's date operators know no other
USE_I18N = False
LANGUAGE_CODE = "en"

STATIC_URL = "/static/"
# Collected for staging and production; elsewhere (a developer's machine, tests) they are served from where they lie.
STATIC_ROOT = BASE_DIR / "staticfiles" if _config.strict else None
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not _config.strict
# Static files are small and read on the desk road; Django warns that reading them there takes a thread.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "eloquent.static_files.HashedStaticFiles"
            if _config.strict
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
    "attachments": attachment_storage(_config),
    "exports": export_storage(_config),
}

# 256 KiB is far above any JSON body that the API takes.
DATA_UPLOAD_MAX_MEMORY_SIZE = 256 * 1024
# The AI SDK posts its whole list of messages, of which we read the last. A completion's prompt comes whole: more words
# than this fit no window, and beside them there is room for one picture of the largest size, or several smaller ones.
REQUEST_ROAD_LARGER_BODIES = {
    "/api/v1/ui/chat": 4 * 1024 * 1024,
    "/v1/chat/completions": 1024 * 1024 + _config.attachment_max_bytes * 4 // 3,
    "/v1/embeddings": 1024 * 1024,
    "/api/v1/imports/{id}/content": 1024 * 1024,
    "/api/v1/attachments": _config.attachment_max_bytes,
}

# TLS ends at the load balancer, which says so in this header.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _config.trusted_proxy_hops else None
SECURE_SSL_REDIRECT = False  # done in front of us; health checks come over plain HTTP
SECURE_HSTS_SECONDS = 31_536_000 if _config.strict else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _config.strict
# A browser takes a `__Host-` cookie from this very host over TLS only: no other host of the same site can plant one.
SESSION_COOKIE_NAME = f"{'__Host-' if _config.strict else ''}eloquent_staff"
CSRF_COOKIE_NAME = f"{'__Host-' if _config.strict else ''}eloquent_csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # not a cookie more
CSRF_TRUSTED_ORIGINS = list(_config.allowed_origins)
X_FRAME_OPTIONS = "DENY"

SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # SECURE_SSL_REDIRECT: TLS ends, and plain HTTP is redirected, in front of us
    "security.W002",  # X-Frame-Options and the rest are set by eloquent.middleware for both roads
]

globals().update(mail_settings(_config))

LOGGING = configure_logging(_config)
LOGGING_CONFIG = "logging.config.dictConfig"

UNFOLD = console.UNFOLD
