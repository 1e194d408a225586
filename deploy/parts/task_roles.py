"""Who a task is in the eyes of AWS: what starts it (execution role) and what runs in it (task role).

Every right names its resource. Two cannot, because AWS knows none for them: a token for the registry, and X-Ray's
segments. CDK would add rights of its own as resources are used together; both roles are closed to that.
"""

from collections.abc import Iterator, Sequence

from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy import naming
from deploy.environment import Environment
from deploy.parts.bedrock_access import ACTIONS as BEDROCK_ACTIONS
from deploy.parts.bedrock_access import bedrock_grants


def starting_role(
    scope: Construct,
    name: str,
    env: Environment,
    *,
    repositories: Sequence[str],
    log_groups: Sequence[str],
    settings: Sequence[str] = (),
    secret_arns: Sequence[str],
    key_arn: str,
) -> iam.Role:
    """The execution role: pulls these images, writes these logs, hands over these settings and secrets."""
    role = iam.Role(scope, name, assumed_by=_tasks_of(env))
    statements = [*_pulling(env, repositories), _logging(env, log_groups)]
    if settings:
        parameters = [naming.parameter_arn(env, setting) for setting in settings]
        statements += [iam.PolicyStatement(sid="PlainSettings", actions=["ssm:GetParameters"], resources=parameters)]
    statements += [
        iam.PolicyStatement(sid="Secrets", actions=["secretsmanager:GetSecretValue"], resources=[*secret_arns]),
        _with_key(env, key_arn, "SecretsKey", ["kms:Decrypt"], "secretsmanager"),
    ]
    for statement in statements:
        role.add_to_policy(statement)
    return role


def answering_role(scope: Construct, name: str, env: Environment, *, files_bucket: str, key_arn: str) -> iam.Role:
    """The task role of the application."""
    role = iam.Role(scope, name, assumed_by=_tasks_of(env))
    for statement in (*_files(env, files_bucket, key_arn), *_asking_bedrock(env), _mail(env), _tracing()):
        role.add_to_policy(statement)
    return role


def powerless_role(scope: Construct, name: str, env: Environment) -> iam.Role:
    """The task role of what asks nothing of AWS: with none at all, a task on a host could try the host's."""
    return iam.Role(scope, name, assumed_by=_tasks_of(env))


def _tasks_of(env: Environment) -> iam.ServicePrincipal:
    # Only for tasks of this account: ECS must not be talked into using the role for another's.
    tasks = f"arn:aws:ecs:{env.region}:{env.account}:*"
    conditions = {"StringEquals": {"aws:SourceAccount": env.account}, "ArnLike": {"aws:SourceArn": tasks}}
    return iam.ServicePrincipal("ecs-tasks.amazonaws.com", conditions=conditions)


def _pulling(env: Environment, repositories: Sequence[str]) -> Iterator[iam.PolicyStatement]:
    yield iam.PolicyStatement(sid="RegistryToken", actions=["ecr:GetAuthorizationToken"], resources=["*"])
    yield iam.PolicyStatement(
        sid="Images",
        actions=["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        resources=[f"arn:aws:ecr:{env.region}:{env.account}:repository/{repository}" for repository in repositories],
    )


def _logging(env: Environment, log_groups: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="Logs",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[f"arn:aws:logs:{env.region}:{env.account}:log-group:{group}:log-stream:*" for group in log_groups],
    )


def _files(env: Environment, bucket: str, key_arn: str) -> Iterator[iam.PolicyStatement]:
    yield iam.PolicyStatement(
        sid="Files",
        actions=["s3:DeleteObject", "s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
        resources=[f"arn:aws:s3:::{bucket}/{folder}/*" for folder in ("attachments", "exports")],
    )
    # Without it S3 answers 403 rather than 404 when a file is not there.
    yield iam.PolicyStatement(sid="FilesNames", actions=["s3:ListBucket"], resources=[f"arn:aws:s3:::{bucket}"])
    yield _with_key(env, key_arn, "FilesKey", ["kms:Decrypt", "kms:GenerateDataKey"], "s3")


def _with_key(env: Environment, key_arn: str, sid: str, actions: list[str], service: str) -> iam.PolicyStatement:
    # The key serves through that service alone: nobody decrypts with it by hand.
    conditions = {"StringEquals": {"kms:ViaService": f"{service}.{env.region}.amazonaws.com"}}
    return iam.PolicyStatement(sid=sid, actions=actions, resources=[key_arn], conditions=conditions)


def _asking_bedrock(env: Environment) -> Iterator[iam.PolicyStatement]:
    for grant, sid in zip(bedrock_grants(env), ("Bedrock", "BedrockModels"), strict=False):
        conditions = {"StringEquals": {"bedrock:InferenceProfileArn": grant.only_through}} if grant.only_through else {}
        yield iam.PolicyStatement(
            sid=sid, actions=list(BEDROCK_ACTIONS), resources=list(grant.resources), conditions=conditions or None
        )


def _mail(env: Environment) -> iam.PolicyStatement:
    # SES asks for the second where a letter is handed over whole, as ours are.
    return iam.PolicyStatement(
        sid="Mail",
        actions=["ses:SendEmail", "ses:SendRawEmail"],
        resources=[f"arn:aws:ses:{env.region}:{env.account}:identity/{env.hosted_zone_name}"],
        conditions={"StringEquals": {"ses:FromAddress": naming.mail_from(env)}},
    )


def _tracing() -> iam.PolicyStatement:
    return iam.PolicyStatement(sid="Traces", actions=["xray:PutTraceSegments"], resources=["*"])
