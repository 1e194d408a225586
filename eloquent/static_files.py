"""Static files of staging and production: compressed, and named by a hash of what is in them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):
    """A file's name changes with its content, so browsers may keep it for ever; a script's imports are renamed too."""

    support_js_module_import_aggregation = True
