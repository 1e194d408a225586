"""Which of Bedrock's resources a task may ask, and how. Pure.

A model that is offered through an inference profile is answered in any of the profile's regions: the right to the
profile alone is refused, and so is the right to the model alone.
https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
"""

from dataclasses import dataclass
from typing import Final

from deploy.environment import PROFILE, Answering, Environment

ACTIONS: Final = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
"""Converse and ConverseStream are these two in the eyes of IAM."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement. With `only_through`, the resources may be asked through that inference profile alone."""

    resources: tuple[str, ...]
    only_through: str = ""


def bedrock_grants(env: Environment) -> tuple[Grant, ...]:
    """What the environment's tasks need; nothing where Bedrock does not answer."""
    if Answering.BEDROCK not in env.answering:
        return ()
    if not (profile := PROFILE.match(env.bedrock_model)):
        return (Grant((_model_arn(env.region, env.bedrock_model),)),)
    model = env.bedrock_model.removeprefix(profile.group())
    profile_arn = f"arn:aws:bedrock:{env.region}:{env.account}:inference-profile/{env.bedrock_model}"
    regions = sorted(env.bedrock_regions)
    # A global profile's questions are let in by an ARN without a region as well.
    if profile.group(1) == "global":
        regions = ["", *regions]
    return (Grant((profile_arn,)), Grant(tuple(_model_arn(region, model) for region in regions), profile_arn))


def _model_arn(region: str, model: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model}"
