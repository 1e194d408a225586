"""The Next.js frontend on Amplify Hosting, which builds it from its repository.

Its pages are made here; its browsers talk to the API themselves, at the API's own domain. Amplify holds answers back
until they are whole, and ends them after 30 s: no stream and no socket may lead through it.
https://github.com/aws-amplify/amplify-hosting/issues/3843
"""

import json
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_amplify as amplify
from aws_cdk import aws_iam as iam
from constructs import Construct

from deploy import naming
from deploy.environment import Environment

BRANCH: Final = "main"
BUILD: Final = {
    "version": 1,
    "frontend": {
        "phases": {
            "preBuild": {"commands": ["npm ci"]},
            # Next.js reads it while it builds: what the pages are given is in this file.
            "build": {"commands": ["env | grep '^NEXT_PUBLIC_' >> .env.production", "npm run build"]},
        },
        "artifacts": {"baseDirectory": ".next", "files": ["**/*"]},
        "cache": {"paths": [".next/cache/**/*", "node_modules/**/*"]},
    },
}


class FrontendStack(cdk.Stack):
    """The frontend, at `frontend_domain`.

    The template names no repository, because Amplify would ask for a token with it, and a token in a template is in
    everybody's hands. An owner connects it once: see the output `Connect`.
    """

    def __init__(self, scope: Construct, name: str, *, settings: Environment, **options: Any) -> None:
        super().__init__(scope, name, termination_protection=settings.protected, **options)
        role = _role(self, settings)
        app = amplify.CfnApp(
            self,
            "App",
            name=naming.service_name(settings, "frontend"),
            description=f"Built from {settings.frontend_repository}",
            # Pages that are made when they are asked for, not files alone.
            platform="WEB_COMPUTE",
            iam_service_role=role.role_arn,
            build_spec=json.dumps(BUILD, indent=2),
            custom_headers=_headers(settings),
            environment_variables=[
                amplify.CfnApp.EnvironmentVariableProperty(name=name, value=value)
                for name, value in public_settings(settings).items()
            ],
            enable_branch_auto_deletion=False,
        )
        _let_log(self, settings, role, app)
        branch = amplify.CfnBranch(
            self,
            "Branch",
            app_id=app.attr_app_id,
            branch_name=BRANCH,
            stage="PRODUCTION" if settings.protected else "DEVELOPMENT",
            framework="Next.js - SSR",
            enable_auto_build=True,
            enable_pull_request_preview=False,
        )
        amplify.CfnDomain(
            self,
            "Domain",
            app_id=app.attr_app_id,
            domain_name=settings.hosted_zone_name,
            enable_auto_sub_domain=False,
            sub_domain_settings=[
                amplify.CfnDomain.SubDomainSettingProperty(
                    branch_name=branch.attr_branch_name,
                    prefix=settings.frontend_domain.removesuffix(f".{settings.hosted_zone_name}"),
                )
            ],
        )
        cdk.CfnOutput(
            self,
            "Connect",
            description="Once, after Amplify's GitHub App was let in; the token is used for this alone",
            value=(
                f"aws amplify update-app --app-id {app.attr_app_id} --repository {settings.frontend_repository} "
                f"--access-token TOKEN --region {settings.region}"
            ),
        )


def public_settings(env: Environment) -> dict[str, str]:
    """What the frontend is built with; anybody can read it in its pages."""
    values = {"NEXT_PUBLIC_API_URL": env.origin, "NEXT_PUBLIC_SENTRY_DSN": env.frontend_sentry_dsn}
    return {name: value for name, value in values.items() if value}


def _headers(env: Environment) -> str:
    """For every page, in Amplify's own shape.

    Scripts are the frontend's own affair, with nonces that it makes; whom its pages may talk to is known from here.
    """
    talks_to = ["'self'", env.origin, f"wss://{env.domain}"]
    if env.frontend_sentry_dsn:
        talks_to.append(f"https://{env.frontend_sentry_dsn.partition('@')[2].partition('/')[0]}")
    policy = f"connect-src {' '.join(talks_to)}; object-src 'none'; base-uri 'self'; frame-ancestors 'none'"
    headers = {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=()",
        "Content-Security-Policy": policy,
    }
    shape = {"pattern": "**/*", "headers": [{"key": key, "value": value} for key, value in headers.items()]}
    return json.dumps({"customHeaders": [shape]}, indent=2)


def _role(scope: Construct, env: Environment) -> iam.Role:
    """Who writes the log of the pages: Amplify, for an app of this account."""
    apps = f"arn:aws:amplify:{env.region}:{env.account}:apps/*"
    return iam.Role(
        scope,
        "Pages",
        assumed_by=iam.ServicePrincipal(
            "amplify.amazonaws.com",
            conditions={"StringEquals": {"aws:SourceAccount": env.account}, "ArnLike": {"aws:SourceArn": apps}},
        ),
    )


def _let_log(scope: Construct, env: Environment, role: iam.Role, app: amplify.CfnApp) -> None:
    """A policy apart from the role: it names the app, which is made with the role."""
    group = f"arn:aws:logs:{env.region}:{env.account}:log-group:/aws/amplify/{app.attr_app_id}"
    iam.Policy(
        scope,
        "PagesLogs",
        roles=[role],
        statements=[
            iam.PolicyStatement(
                sid="Logs",
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[group, f"{group}:log-stream:*"],
            )
        ],
    )
