"""What settings are made of: lists, addresses, secrets with a checked form."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from eloquent.foundation import formats


class Environment(StrEnum):
    """Where this process runs. Staging and production are strict."""

    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


def _comma_separated(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def checked_secret(check: Any) -> AfterValidator:
    """A secret whose form `formats` checks."""

    def checked(value: SecretStr) -> SecretStr:
        return SecretStr(check(value.get_secret_value()))

    return AfterValidator(checked)


Names = Annotated[tuple[str, ...], BeforeValidator(_comma_separated)]
Words = Annotated[tuple[Annotated[str, Field(min_length=3, max_length=60)], ...], BeforeValidator(_comma_separated)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(formats.http_origin)], ...], BeforeValidator(_comma_separated)]
HttpUrl = Annotated[str, AfterValidator(formats.http_url)]
HttpUrls = Annotated[tuple[HttpUrl, ...], BeforeValidator(_comma_separated)]
Slots = Annotated[tuple[Annotated[str, AfterValidator(formats.slots)], ...], BeforeValidator(_comma_separated)]
Domains = Annotated[tuple[Annotated[str, AfterValidator(formats.domain)], ...], BeforeValidator(_comma_separated)]
Region = Annotated[str, Field(pattern=r"^[a-z]{2,6}(-[a-z]+)+-\d{1,2}$")]
Port = Annotated[int, Field(ge=0, le=65535)]
