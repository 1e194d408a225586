"""The frontend: what it is built with, where it is, and whom its pages may talk to."""

import json
from dataclasses import replace

import pytest

from deploy.environments import ENVIRONMENTS, PROD
from deploy.stacks.frontend import public_settings
from deploy.tests.templates_of import one, written_out

NAMES = tuple(ENVIRONMENTS)
DSN = "https://0123456789abcdef@o1.ingest.sentry.io/2"


def headers(template):
    (shape,) = json.loads(one(template, "Amplify::App")["CustomHeaders"])["customHeaders"]
    assert shape["pattern"] == "**/*"
    return {each["key"]: each["value"] for each in shape["headers"]}


@pytest.mark.parametrize("name", NAMES)
def test_browsers_talk_to_the_api_at_its_own_domain(templates, name):
    frontend, env = templates[name]["frontend"], ENVIRONMENTS[name]
    settings = {each["Name"]: each["Value"] for each in one(frontend, "Amplify::App")["EnvironmentVariables"]}
    assert settings == {"NEXT_PUBLIC_API_URL": env.origin}
    allowed = headers(frontend)["Content-Security-Policy"].split("; ")[0]
    assert allowed == f"connect-src 'self' {env.origin} wss://{env.domain}"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_made_by_next_when_it_is_asked_for(templates, name):
    app = one(templates[name]["frontend"], "Amplify::App")
    assert app["Platform"] == "WEB_COMPUTE"
    spec = json.loads(app["BuildSpec"])["frontend"]
    assert spec["artifacts"]["baseDirectory"] == ".next"
    assert "npm run build" in spec["phases"]["build"]["commands"]


@pytest.mark.parametrize("name", NAMES)
def test_the_template_has_no_token_and_says_how_the_repository_is_connected(templates, name):
    frontend = templates[name]["frontend"]
    app = one(frontend, "Amplify::App")
    assert not {"AccessToken", "OauthToken", "Repository"} & set(app)
    said = str(frontend["Outputs"]["Connect"]["Value"])
    assert ENVIRONMENTS[name].frontend_repository in said


@pytest.mark.parametrize("name", NAMES)
def test_its_domain_is_the_one_that_the_api_lets_in(templates, name):
    domain, env = one(templates[name]["frontend"], "Amplify::Domain"), ENVIRONMENTS[name]
    (place,) = domain["SubDomainSettings"]
    assert f"{place['Prefix']}.{domain['DomainName']}" == env.frontend_domain


@pytest.mark.parametrize("name", NAMES)
def test_its_pages_are_in_nobodys_frame_and_over_tls_alone(templates, name):
    found = headers(templates[name]["frontend"])
    assert found["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert found["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in found["Content-Security-Policy"]
    assert found["X-Frame-Options"] == "DENY"


def test_where_errors_are_reported_is_known_to_the_build_and_to_the_pages(tmp_path):
    env = replace(PROD, frontend_sentry_dsn=DSN)
    assert public_settings(env)["NEXT_PUBLIC_SENTRY_DSN"] == DSN
    allowed = headers(written_out(env, tmp_path)["frontend"])["Content-Security-Policy"].split("; ")[0]
    assert allowed.endswith(" https://o1.ingest.sentry.io")
    assert "0123456789abcdef" not in allowed
