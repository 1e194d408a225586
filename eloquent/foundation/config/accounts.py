"""Settings of accounts: keys, mail, who may come in."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from eloquent.foundation import formats
from eloquent.foundation.config.types import Domains, HttpUrl, Words, checked_secret
from eloquent.foundation.openid_providers import checked as checked_providers


class AccountSettings(BaseModel, frozen=True):
    """Who may come in, and how."""

    jwt_private_key: Annotated[SecretStr, checked_secret(formats.private_pem_key)] = Field(
        SecretStr(""), description="RSA private key as PEM (2048 bits or more), signs access tokens"
    )
    jwt_previous_key: Annotated[SecretStr, checked_secret(formats.pem_key)] | None = Field(
        None, description="the key before it, private or public PEM: still verifies while its tokens live"
    )

    frontend_url: HttpUrl | None = Field(
        None, description="where people use this service: links in mails lead to its page /account"
    )
    mail_backend: Literal["", "console", "smtp", "ses", "off"] = Field(
        "",
        description="how mail goes out: console, smtp (SMTP_URL), ses (Amazon SES in AWS_REGION) or off; "
        "without, console on a development machine, else off",
    )
    mail_from: str = Field(
        "Eloquent AI <no-reply@localhost>",
        min_length=3,
        max_length=320,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        description="who mail comes from",
    )
    smtp_url: Annotated[SecretStr, checked_secret(formats.smtp_url)] | None = Field(
        None, description="the mail server: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465"
    )
    erasure_grace_days: int = Field(
        0, ge=0, le=30, description="days in which an erasure can be taken back by the link in a letter; 0: at once"
    )
    retention_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="days after which a conversation that nobody went on with is deleted; 0: never. "
        "Rules for groups come before it",
    )
    staff_second_factor: bool = Field(
        False, description="staff need a second factor for the console; those who have none are led to set one up"
    )
    passkey_domain: str = Field(
        "",
        pattern=r"^([a-z0-9-]+\.)*[a-z0-9-]+$|^$",
        description="the domain that passkeys are made for (example.org, for app.example.org and api.example.org); "
        "without, the host of FRONTEND_URL, else that of the page. Passkeys do not survive a change of it",
    )

    session_max_days: int = Field(
        90,
        ge=1,
        le=400,
        description="days after a sign-in in which another is due, however much the session was used; the same for the "
        "staff console",
    )
    password_house_words: Words = Field(
        (),
        description="words that no password may be made of, comma separated: the names of a house, its products, its "
        "town, each of three letters or more",
    )
    registration: Literal["open", "invitation", "domain", "closed"] = Field(
        "open",
        description="who may make an account: open (everybody), invitation (whom staff invited), "
        "domain (emails of REGISTRATION_DOMAINS, and whom staff invited), closed (nobody)",
    )
    registration_domains: Domains = Field(
        (),
        description="for REGISTRATION=domain, comma separated: example.org, and *.example.org for what is below it",
    )
    email_verification: Literal["", "off", "optional", "required"] = Field(
        "",
        description="whether a new account's email is proven by a letter: off, optional (signed in at once), required "
        "(no sign-in before); without, optional, and required with REGISTRATION=domain",
    )

    openid_providers: Annotated[SecretStr, checked_secret(checked_providers)] = Field(
        SecretStr(""),
        description="who else may say who somebody is (OpenID Connect), JSON: "
        '{"name": {"issuer": "https://host", "client_id": "…", "client_secret"?, "title"?, "scopes"?: [names], '
        '"trusts_email"?: true, "registers"?: true, "second_factor"?: "ask" or "provider"}}',
    )
