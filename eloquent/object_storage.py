"""Where files lie, as entries of Django's `STORAGES`: in an S3 bucket, or in folders of the state directory."""

from typing import Any, Final

from eloquent.foundation.config import Config

_CONNECT_TIMEOUT_S: Final = 3
_READ_TIMEOUT_S: Final = 10
_ATTEMPTS: Final = 3
_IN_MEMORY_BYTES: Final = 1024 * 1024


def attachment_storage(config: Config) -> dict[str, Any]:
    """The backend of attached files and its options."""
    return _storage(config, "attachments")


def export_storage(config: Config) -> dict[str, Any]:
    """The backend of exports of accounts and its options: the same place, under a prefix of its own."""
    return _storage(config, "exports")


def _storage(config: Config, folder: str) -> dict[str, Any]:
    # Keys are made from ids, so nothing is ever overwritten but by itself.
    if config.attachments_bucket is None:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": config.eloquent_state_dir.absolute() / folder,
                "allow_overwrite": True,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    # Only here: loading Amazon's client takes a tenth of a second and 20 MB.
    from botocore.config import Config as ClientConfig

    client = ClientConfig(
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        signature_version="s3v4",
        # Amazon's newer checksums are unknown to many of the others.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        # A server of one's own has no host name for each bucket.
        s3={"addressing_style": "path" if config.attachments_endpoint else "auto"},
    )
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": config.attachments_bucket,
            "endpoint_url": config.attachments_endpoint,
            "location": folder,
            # A file that is read is fetched whole: a large one onto the disk.
            "max_memory_size": _IN_MEMORY_BYTES,
            "file_overwrite": True,
            "client_config": client,
        },
    }
