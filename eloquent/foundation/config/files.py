"""Settings of attached files."""

from pydantic import BaseModel, Field

from eloquent.foundation.config.types import HttpUrl


class FileSettings(BaseModel, frozen=True):
    """Where attached files lie, and how large they may be."""

    attachments_bucket: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$",
        description="the S3 bucket for attached files, with credentials as AWS's own tools find them; "
        "without it they lie in the state directory",
    )
    attachments_endpoint: HttpUrl | None = Field(None, description="the S3 server, when it is not Amazon's")
    attachment_max_bytes: int = Field(
        10 * 1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="bytes of an attached file at most"
    )
    attachment_max_pixels: int = Field(
        50_000_000, ge=1, le=1_000_000_000, description="width times height of an attached picture at most"
    )
    attachments_max_bytes: int = Field(
        1024**3, ge=1024, description="bytes at most that a user may have attached in all conversations together"
    )
    attachments_unsent_max_bytes: int = Field(
        100 * 1024 * 1024, ge=1024, description="bytes at most that a user may have attached and not sent yet"
    )
