"""How each kind of secret is changed while people are served.

Tasks get secrets when they start, and for minutes old and new ones serve side by side. So a secret that both use is
changed in two steps, in which each side knows the other's value.
"""

import secrets
import string
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlsplit

from deploy import naming
from deploy.commands.account import Account, Refused, StillUnderWay, until
from deploy.commands.definitions import definition_of
from deploy.commands.one_off import run_once
from deploy.commands.secret_values import SecretValues
from deploy.commands.serving import api_service, model_service
from eloquent.foundation.certificates import self_signed

_LENGTH = 64
_LETTERS = string.ascii_letters + string.digits
_CACHE_LIMIT_S = 3600
CERTIFICATE_LASTS: Final = timedelta(days=3650)
"""No date wakes anybody: only this application trusts it, and whoever wants another one makes it when it suits."""


def made_up() -> str:
    """As AWS made the first one: letters and digits, which fit into an address and between commas."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def rotate_secret_key(account: Account) -> None:
    """SECRET_KEY: all tasks learn the new key first, and only then is anything signed or sealed with it.

    The old one stays among the fallbacks: what lies sealed in the database is opened with it.
    """
    values, service = SecretValues(account), api_service(account)
    key, fallbacks = values.path("SECRET_KEY"), values.path("SECRET_KEY_FALLBACKS")
    old, before = values.current(key), [each for each in values.current(fallbacks).split(",") if each]
    new = values.pending(key, made_up())
    values.set(fallbacks, ",".join(_once([new, *before])))
    service.change("1 of 2: every task knows the new key")
    # Written in this order: in between, a task that starts has the old key twice, and the new one.
    values.set(fallbacks, ",".join(_once([old, new, *before])))
    values.make_current(key)
    service.change("2 of 2: every task uses the new key")


def rotate_cache_password(account: Account) -> None:
    """REDIS_URL: the cache takes both passwords, all tasks get the new one, then the cache forgets the old one.

    The new one is kept before the cache hears of it: were it lost, the next attempt would make a third, and the cache
    knows two.
    """
    environment, values = account.environment, SecretValues(account)
    group = naming.service_name(environment, "cache")
    own, url = f"{group}-password", values.path("REDIS_URL")
    new = values.pending(own, made_up())
    _tell_cache(account, group, new, "ROTATE")
    values.set(url, with_password(values.current(url), new))
    api_service(account).change("Every task uses the new password")
    _tell_cache(account, group, new, "SET")
    values.make_current(own)


def with_password(url: str, password: str) -> str:
    """The address with this password.

    Raises:
        Refused: it is no address of the cache; the sentence does not show it.
    """
    parts = urlsplit(url)
    if parts.scheme != "rediss" or not parts.hostname:
        raise Refused("REDIS_URL is no rediss:// address.")
    address = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    return parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{address}").geturl()


def rotate_signing_key(account: Account) -> None:
    """JWT: the application has its own order for it, which publishes a key before it signs. No task starts anew."""
    family = naming.service_name(account.environment, "migration")
    newest = definition_of(account.client("ecs"), family)
    run_once(account, newest, command=["python", "manage.py", "jwt", "rotate"])


def rotate_model_certificate(account: Account) -> None:
    """MODEL_CA: all tasks trust the new certificate before our own model shows it. The first one is made here, too.

    The old one is trusted no longer by tasks that start afterwards.
    """
    environment, values = account.environment, SecretValues(account)
    identity, trusted = naming.model_identity(environment), values.path("MODEL_CA")
    old = certificate_in(values.current(identity))
    made = self_signed(naming.ollama_name(environment), lasts=CERTIFICATE_LASTS)
    new = certificate_in(values.pending(identity, made.key + made.certificate))
    values.set(trusted, new + old)
    if (api := api_service(account)).exists():
        api.change("1 of 2: every task trusts the new certificate")
    values.make_current(identity)
    if (model := model_service(account)).exists():
        model.change("2 of 2: our own model shows it")
    values.set(trusted, new)


def certificate_in(identity: str) -> str:
    """The certificate of a key and its certificate; "" of nothing."""
    _, begin, rest = identity.partition("-----BEGIN CERTIFICATE-----")
    return begin + rest


def replace(account: Account, name: str, value: str) -> None:
    """A key that somebody else gave out. Make the new one there, run this, and revoke the old one there afterwards.

    Raises:
        Refused: no task came up with it; the one before is back.
    """
    values = SecretValues(account)
    path = values.path(name)
    before = values.current(path)
    values.set(path, value)
    try:
        api_service(account).change(f"Every task uses the new {name}")
    except StillUnderWay as still:
        raise Refused(f"{still} The new {name} stays: revoke the old one only when every task has it.") from None
    except Refused as refused:
        if not before:
            raise
        # A task that starts tomorrow, because there are more people, must not get what does not work.
        values.set(path, before)
        raise Refused(f"{refused} The {name} of before is back.") from None


def _tell_cache(account: Account, group: str, password: str, strategy: str) -> None:
    cache = account.client("elasticache")
    cache.modify_replication_group(
        ReplicationGroupId=group, AuthToken=password, AuthTokenUpdateStrategy=strategy, ApplyImmediately=True
    )

    def available() -> bool:
        described = cache.describe_replication_groups(ReplicationGroupId=group)["ReplicationGroups"][0]
        return described["Status"] == "available" and not described.get("PendingModifiedValues", {}).get(
            "AuthTokenStatus"
        )

    until(account, available, what=f"The cache takes the password ({strategy})", limit_s=_CACHE_LIMIT_S)
    account.say(f"The cache has taken the password ({strategy}).")


def _once(keys: list[str]) -> list[str]:
    return list(dict.fromkeys(key for key in keys if key))
