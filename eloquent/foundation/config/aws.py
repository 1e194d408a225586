"""Settings from AWS: Parameter Store and Secrets Manager, by path, once a process.

For all settings together there is one question to each of the two, in pages: `ssm:GetParametersByPath` for the path,
and `secretsmanager:BatchGetSecretValue` with a filter by name, which also needs `secretsmanager:ListSecrets` and
`secretsmanager:GetSecretValue`. Where AWS is, and who asks, is AWS's own business: its environment, profiles and
roles; `AWS_ENDPOINT_URL` names another address. boto3 is loaded by the first question.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from eloquent.foundation.config.faults import ConfigFaults, Fault
from eloquent.foundation.config.placement import Place, Stored, path_of
from eloquent.foundation.masking import mask_uri

_CONNECT_TIMEOUT_S: Final = 2
_READ_TIMEOUT_S: Final = 5
_ATTEMPTS: Final = 3
# The largest pages that there are.
_PARAMETERS_A_PAGE: Final = 10
_SECRETS_A_PAGE: Final = 20
_NO_VALUE_YET: Final = "ResourceNotFoundException"
_DENIED: Final = {"AccessDeniedException", "AccessDenied", "DecryptionFailure"}
_STRANGER: Final = {
    *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch"),
    *("ExpiredTokenException", "ExpiredToken", "IncompleteSignature", "MissingAuthenticationToken"),
}
_HURRIED: Final = {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"}


@lru_cache(maxsize=1)
def stored_once(environment: str, region: str) -> Stored:
    """As `read`, for this process: a change in AWS is seen by the next one. A failure is not kept."""
    return read(environment, region)


def read(environment: str, region: str) -> Stored:
    """What AWS has for this environment now. Parameters are read as they are, without decryption.

    Raises:
        ConfigFaults: not everything could be read. Each fault names the action and the path, and holds no value.
    """
    prefix = f"{path_of(environment)}/"
    parameters: dict[str, str] = {}
    encrypted: set[str] = set()
    secrets: dict[str, str | None] = {}
    faults: list[Fault] = []

    def read_parameters() -> None:
        for found in _parameters(client(Place.PARAMETER, region), prefix):
            name, is_encrypted = found["Name"].removeprefix(prefix), found["Type"] == "SecureString"
            parameters[name] = "" if is_encrypted else found["Value"]
            encrypted.update({name} if is_encrypted else ())

    def read_secrets() -> None:
        for page in _pages_of_secrets(client(Place.SECRET, region), prefix):
            secrets.update(_secrets_on(page, prefix))
            faults.extend(_unread_on(page, prefix))

    for place, action, ask in (
        (Place.PARAMETER, "ssm:GetParametersByPath", read_parameters),
        (Place.SECRET, "secretsmanager:BatchGetSecretValue", read_secrets),
    ):
        if (fault := attempt(ask, action, f"{prefix[:-1]} in {place.service} ({region})")) is not None:
            faults.append(fault)
    if faults:
        raise ConfigFaults(faults)
    return Stored(environment, region, parameters, secrets, frozenset(encrypted))


def client(place: Place, region: str) -> Any:
    """boto3's client for one of the two services, which gives up soon.

    A session of its own: boto3's shared one must not be made by several threads at once.
    """
    import boto3
    from botocore.config import Config as ClientConfig

    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config = ClientConfig(connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, retries=retries)
    return boto3.Session(region_name=region).client(place.value, config=config)


def attempt(ask: Callable[[], None], action: str, what: str) -> Fault | None:
    """Run what asks AWS; when that fails, a fault that says why. AWS's own words stay out of it.

    Args:
        ask: does it.
        action: the action as policies name it, `ssm:PutParameter`.
        what: is asked for, with its path.
    """
    from botocore import exceptions as aws_errors

    try:
        ask()
    except aws_errors.ClientError as error:
        found, expected = _answer(error.response.get("Error", {}).get("Code", "an error"), action)
    except aws_errors.NoCredentialsError:
        found, expected = "no credentials of AWS", "a role of the task, a profile, or AWS_ACCESS_KEY_ID"
    except (aws_errors.ConnectionError, aws_errors.HTTPClientError) as error:
        where = error.kwargs.get("endpoint_url")
        found = f"no answer from {mask_uri(str(where)) if where else 'AWS'} ({type(error).__name__})"
        expected = "a way to it: a VPC endpoint, a NAT, an open security group"
    except aws_errors.BotoCoreError as error:
        found, expected = f"{type(error).__name__}", "credentials and a region that AWS knows"
    else:
        return None
    return Fault(what, found, expected)


def _answer(code: str, action: str) -> tuple[str, str]:
    """What AWS refused with, and what would help."""
    if code in _DENIED:
        more = ", secretsmanager:ListSecrets and secretsmanager:GetSecretValue" if "BatchGet" in action else ""
        return f"not allowed ({code})", f"the right {action}{more} for this path"
    if code in _STRANGER:
        return f"credentials that AWS does not take ({code})", "those of the task's role, or a new sign-in"
    if code in _HURRIED:
        return f"throttled ({code}), {_ATTEMPTS} times", "fewer processes that start at once, or another try later"
    return code, f"an answer to {action}"


def _parameters(ssm: Any, prefix: str) -> Iterator[dict[str, Any]]:
    pages = ssm.get_paginator("get_parameters_by_path")
    # Not below: what lies deeper is somebody else's.
    options = {"Path": prefix[:-1], "Recursive": False, "WithDecryption": False}
    for page in pages.paginate(**options, PaginationConfig={"PageSize": _PARAMETERS_A_PAGE}):
        yield from page["Parameters"]


def _pages_of_secrets(secrets: Any, prefix: str) -> Iterator[dict[str, Any]]:
    following: dict[str, str] = {}
    while True:
        page = secrets.batch_get_secret_value(
            Filters=[{"Key": "name", "Values": [prefix]}], MaxResults=_SECRETS_A_PAGE, **following
        )
        yield page
        if not page.get("NextToken"):
            return
        following = {"NextToken": page["NextToken"]}


def _secrets_on(page: dict[str, Any], prefix: str) -> dict[str, str | None]:
    """Each secret of a page by its name; one that was made and has no value yet is None."""
    found = {_last_part(secret["Name"], prefix): secret.get("SecretString") for secret in page["SecretValues"]}
    empty = {name: None for name, code in _errors_on(page, prefix) if code == _NO_VALUE_YET}
    return {name: value for name, value in (found | empty).items() if name}


def _unread_on(page: dict[str, Any], prefix: str) -> list[Fault]:
    expected = "leave to read it (secretsmanager:GetSecretValue) and to decrypt with its key (kms:Decrypt)"
    return [
        Fault(f"{prefix}{name} in {Place.SECRET.service}", code, expected)
        for name, code in _errors_on(page, prefix)
        if name and code != _NO_VALUE_YET
    ]


def _errors_on(page: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    """Name and code of each secret that was not told. It is named by its ARN, which ends in seven random characters."""
    return [
        (_last_part(error["SecretId"].rpartition(":secret:")[2][:-7] or error["SecretId"], prefix), error["ErrorCode"])
        for error in page.get("Errors", ())
    ]


def _last_part(name: str, prefix: str) -> str:
    """The name directly below the path; nothing for any other: the filter is a prefix, and not of whole parts."""
    rest = name.removeprefix(prefix)
    return rest if rest != name and "/" not in rest else ""
