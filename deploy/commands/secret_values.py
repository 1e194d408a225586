"""Secrets in Secrets Manager, by the names of settings. Nothing here says a value, or puts one into an error."""

from typing import Any

from deploy import naming
from deploy.commands.account import Account, Refused


class SecretValues:
    """The secrets of one environment."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._client: Any = account.client("secretsmanager")

    def path(self, name: str) -> str:
        """Where the setting's value lies."""
        return naming.path_of(self._account.environment, name)

    def current(self, path: str) -> str:
        """Its value; "" when it has none yet.

        Raises:
            Refused: there is no such secret.
        """
        return self._value(path, "AWSCURRENT")

    def set(self, path: str, value: str) -> None:
        """From now on whoever asks gets this; who has asked before keeps what he got."""
        self._client.put_secret_value(SecretId=path, SecretString=value)

    def pending(self, path: str, made: str) -> str:
        """A value that is to become the current one: what an interrupted run has left, else `made`, kept as such."""
        if left := self._value(path, "AWSPENDING"):
            return left
        self._client.put_secret_value(SecretId=path, SecretString=made, VersionStages=["AWSPENDING"])
        return made

    def make_current(self, path: str) -> None:
        """The pending value becomes the current one."""
        versions = self._client.describe_secret(SecretId=path)["VersionIdsToStages"]
        of_stage = {stage: version for version, stages in versions.items() for stage in stages}
        asked = {"SecretId": path, "VersionStage": "AWSCURRENT", "MoveToVersionId": of_stage["AWSPENDING"]}
        if "AWSCURRENT" in of_stage:
            asked["RemoveFromVersionId"] = of_stage["AWSCURRENT"]
        self._client.update_secret_version_stage(**asked)
        self._client.update_secret_version_stage(
            SecretId=path, VersionStage="AWSPENDING", RemoveFromVersionId=of_stage["AWSPENDING"]
        )

    def _value(self, path: str, stage: str) -> str:
        try:
            versions = self._client.describe_secret(SecretId=path).get("VersionIdsToStages", {})
        except self._client.exceptions.ResourceNotFoundException:
            raise Refused(f"There is no secret {path}: deploy the data stack first.") from None
        if not any(stage in stages for stages in versions.values()):
            return ""
        return str(self._client.get_secret_value(SecretId=path, VersionStage=stage)["SecretString"])
