"""What must be so before an environment's first deployment, each as a question whose answer is what is missing."""

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from deploy import naming
from deploy.commands.account import Account
from deploy.commands.quotas import quotas
from deploy.environment import EDGE_REGION, PROFILE, Answering
from deploy.parameters import secrets_of

Question: TypeAlias = Callable[[Account, str], Iterator[str]]

BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"
BOOTSTRAP_VERSION: Final = 6
"""As old as the templates that CDK writes allow: https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""


def bootstrapped(account: Account, _tag: str) -> Iterator[str]:
    """CDK's own roles and bucket, in the environment's region and in that of the edge."""
    environment = account.environment
    for region in sorted({environment.region, EDGE_REGION}):
        ssm = account.client("ssm", region)
        try:
            version = int(ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            version = 0
        if version < BOOTSTRAP_VERSION:
            yield f"{region} is not bootstrapped: cdk bootstrap aws://{environment.account}/{region}"


def images(account: Account, tag: str) -> Iterator[str]:
    """Everything that runs comes from our own registry."""
    environment, ecr = account.environment, account.client("ecr")
    wanted = {naming.API_REPOSITORY: tag, naming.COLLECTOR_REPOSITORY: naming.COLLECTOR_VERSION}
    if Answering.OLLAMA in environment.answering:
        wanted[naming.OLLAMA_REPOSITORY] = naming.ollama_image(environment).rpartition(":")[2]
    for repository, wanted_tag in wanted.items():
        try:
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": wanted_tag}])
        except ecr.exceptions.RepositoryNotFoundException:
            yield f"the registry has no {repository}: deploy {naming.stack_name(environment, 'registry')} first"
        except ecr.exceptions.ImageNotFoundException:
            yield f"the registry has no {repository}:{wanted_tag}: push it"


def secrets_filled(account: Account, _tag: str) -> Iterator[str]:
    """ECS starts no task while one of its secrets has no value. No value is read here."""
    client = account.client("secretsmanager")
    for secret in secrets_of(account.environment):
        path = naming.path_of(account.environment, secret.name)
        try:
            versions = client.describe_secret(SecretId=path).get("VersionIdsToStages", {})
        except client.exceptions.ResourceNotFoundException:
            yield f"{path} is not there: deploy {naming.stack_name(account.environment, 'data')} first"
            continue
        if not any("AWSCURRENT" in stages for stages in versions.values()):
            yield f"{path} has no value ({secret.description}): aws secretsmanager put-secret-value"


def zone(account: Account, _tag: str) -> Iterator[str]:
    """Certificates are proven by names in this zone: it must be ours, and the world must ask it."""
    environment, route53 = account.environment, account.client("route53")
    try:
        found = route53.get_hosted_zone(Id=environment.hosted_zone_id)
    except route53.exceptions.NoSuchHostedZone:
        yield f"hosted_zone_id: {environment.hosted_zone_id} is no zone of this account"
        return
    if found["HostedZone"]["Name"].rstrip(".") != environment.hosted_zone_name:
        yield f"hosted_zone_name: {environment.hosted_zone_id} is the zone of {found['HostedZone']['Name']}"
    servers = ", ".join(found.get("DelegationSet", {}).get("NameServers", []))
    account.say(f"{environment.hosted_zone_name} must be delegated to {servers}: `dig NS` tells; this cannot.")


def prefix_lists(account: Account, _tag: str) -> Iterator[str]:
    """Each region has ids of its own for them; a wrong one would let nobody in."""
    environment = account.environment
    wanted = {
        "cloudfront_prefix_list": "com.amazonaws.global.cloudfront.origin-facing",
        "s3_prefix_list": f"com.amazonaws.{environment.region}.s3",
    }
    known = {
        found["PrefixListName"]: found["PrefixListId"]
        for found in account.client("ec2").describe_managed_prefix_lists()["PrefixLists"]
    }
    for field, name in wanted.items():
        if known.get(name) != getattr(environment, field):
            yield f"{field}: {getattr(environment, field)}, but {name} is {known.get(name, 'unknown here')}"


def mail(account: Account, _tag: str) -> Iterator[str]:
    """SES sends for a domain that was proven, and to everybody only out of its sandbox."""
    domain, ses = account.environment.hosted_zone_name, account.client("sesv2")
    try:
        proven = ses.get_email_identity(EmailIdentity=domain)["VerifiedForSendingStatus"]
    except ses.exceptions.NotFoundException:
        proven = False
    if not proven:
        yield f"SES may not send for {domain}: verify the domain"
    if not ses.get_account()["ProductionAccessEnabled"]:
        yield "SES is in its sandbox: ask for production access"


def bedrock(account: Account, _tag: str) -> Iterator[str]:
    """The model in every region where the profile may have a question answered."""
    environment = account.environment
    if Answering.BEDROCK not in environment.answering:
        return
    model = PROFILE.sub("", environment.bedrock_model)
    for region in environment.bedrock_regions or (environment.region,):
        answer: dict[str, Any] = account.client("bedrock", region).get_foundation_model_availability(modelId=model)
        lacking = [
            name
            for name, good in (("authorizationStatus", "AUTHORIZED"), ("regionAvailability", "AVAILABLE"))
            if answer.get(name) != good
        ]
        if answer.get("agreementAvailability", {}).get("status") != "AVAILABLE":
            lacking.append("agreementAvailability")
        if lacking:
            yield f"Bedrock in {region}: no access to {model} ({', '.join(lacking)})"


QUESTIONS: Final[tuple[Question, ...]] = (
    *(bootstrapped, images, secrets_filled, zone, prefix_lists, mail, bedrock),
    quotas,
)
