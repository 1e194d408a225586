"""Environments: which ones there are, and which there cannot be."""

from dataclasses import replace

import pytest

from deploy.environment import PLACEHOLDER_ACCOUNT, Answering, ImpossibleEnvironment, Release, side_by_side
from deploy.environments import DEV, ENVIRONMENTS, PROD, STAGING
from deploy.parameters import plain_settings
from deploy.parts.bedrock_access import bedrock_grants


def test_there_are_three_and_no_two_share_a_network_or_a_domain():
    assert list(ENVIRONMENTS) == ["dev", "staging", "prod"]
    assert (
        len({env.network for env in ENVIRONMENTS.values()}) == len({env.domain for env in ENVIRONMENTS.values()}) == 3
    )


def test_only_prod_has_two_versions_side_by_side():
    assert [env.release for env in ENVIRONMENTS.values()] == [Release.ROLLING, Release.ROLLING, Release.BLUE_GREEN]


@pytest.mark.parametrize(
    ("env", "change", "told"),
    [
        (DEV, {"name": "production"}, "name:"),
        (DEV, {"account": "12345"}, "account:"),
        (DEV, {"zones": ("us-east-1a",)}, "zones: at least two"),
        (DEV, {"zones": ("us-east-1a", "us-east-1a")}, "zones: at least two"),
        (DEV, {"zones": ("us-east-1a", "eu-west-1b")}, "zones: eu-west-1b"),
        (DEV, {"network": "8.8.0.0/16"}, "network:"),
        (DEV, {"network": "10.0.0.0/8"}, "network:"),
        (DEV, {"network": "nonsense"}, "network:"),
        (DEV, {"network": "192.168.0.0/16"}, "overlaps Atlas"),
        (DEV, {"domain": "api.elsewhere.org"}, "is not below"),
        (DEV, {"frontend_domain": DEV.domain}, "is the API's"),
        (DEV, {"tasks_least": 3}, "tasks_least, tasks_most"),
        (DEV, {"task_cpu": 512, "task_memory_mib": 8192}, "Fargate has no task"),
        (DEV, {"nat_gateways": 3}, "nat_gateways: 3"),
        (DEV, {"nat_gateways": 0}, "openai, sentry can only be reached over the internet"),
        (DEV, {"streams_a_task": 0}, "streams_a_task"),
        (DEV, {"atlas_network": ""}, "atlas_peering_id"),
        (STAGING, {"atlas_service_name": ""}, "atlas_service_name"),
        (STAGING, {"pinecone": True}, "pinecone can only be reached over the internet"),
        (STAGING, {"answering": ()}, "answering: nobody"),
        (STAGING, {"answering": (Answering.BEDROCK, Answering.OLLAMA)}, "but ollama answers"),
        (STAGING, {"openai_models": ("gpt-4.1",)}, "openai is not among those who answer"),
        (STAGING, {"bedrock_regions": ("us-west-2",)}, "us-east-1 among them"),
        (STAGING, {"bedrock_model": "amazon.nova-lite-v1:0"}, "is no inference profile"),
        (STAGING, {"bedrock_model": "jp.amazon.nova-2-lite-v1:0", "bedrock_regions": ()}, "us-east-1 among them"),
        (STAGING, {"bedrock_model": "mars.amazon.nova-lite-v1:0", "bedrock_regions": ()}, "bedrock_model: 'mars'"),
        (STAGING, {"bedrock_model": "us-gov.amazon.nova-lite-v1:0", "bedrock_regions": ()}, "bedrock_model: 'us-gov'"),
        (DEV, {"atlas_network": "nonsense"}, "atlas_network: nonsense"),
        (DEV, {"atlas_network": "192.168.248.1/21"}, "atlas_network: 192.168.248.1/21"),
        (PROD, {"tasks_least": 1}, "one a zone in prod"),
        (PROD, {"cache_replicas": 0}, "cache_replicas: 0"),
        (PROD, {"protected": False}, "protected: False"),
        (PROD, {"ollama_instance": "t3.micro"}, "ollama_instance: 't3.micro'"),
        # A GPU of AMD's, and one on a processor that the image is not for.
        (PROD, {"ollama_instance": "g4ad.xlarge"}, "ollama_instance: 'g4ad.xlarge'"),
        (PROD, {"ollama_instance": "g5g.xlarge"}, "ollama_instance: 'g5g.xlarge'"),
        (PROD, {"ollama_instance": "g5"}, "ollama_instance: 'g5'"),
        (PROD, {"answers_at_once": 0}, "answers_at_once: 0"),
        (PROD, {"ollama_hosts_most": 1}, "ollama_hosts, ollama_hosts_most: 2 to 1"),
        (PROD, {"ollama_hosts_most": -1}, "ollama_hosts, ollama_hosts_most: 2 to -1"),
        (DEV, {"ollama_hosts": -1}, "ollama_hosts, ollama_hosts_most: -1 to 0"),
        (DEV, {"cache_node": "t4g.small"}, "cache_node: 't4g.small'"),
        (DEV, {"cache_node": "cache.small"}, "cache_node: 'cache.small'"),
        (DEV, {"cache_node": "cache.t4g.tiny"}, "cache_node: 'cache.t4g.tiny'"),
        (DEV, {"cache_replicas": -1}, "cache_replicas: -1"),
        (PROD, {"cache_replicas": 6}, "cache_replicas: 6"),
        (DEV, {"monthly_budget_usd": -1}, "monthly_budget_usd: -1"),
        (DEV, {"monthly_budget_usd": 0}, "monthly_budget_usd: 0"),
        (DEV, {"log_level": "debug"}, "log_level: 'debug'"),
        (DEV, {"log_level": "CRITICAL"}, "log_level: 'CRITICAL'"),
        (DEV, {"repository": "eloquent"}, "repository: 'eloquent'"),
        (DEV, {"repository": "https://github.com/example/eloquent"}, "repository: 'https://"),
        (DEV, {"repository": "example/eloquent:ref"}, "repository: 'example/eloquent:ref'"),
        (DEV, {"settings": {"REGISTRATOIN": "open"}}, "settings: REGISTRATOIN; the application reads no such"),
        (DEV, {"settings": {"registration": "open"}}, "is REGISTRATION meant?"),
        (DEV, {"settings": {"MONGODB_URI": "mongodb://127.0.0.1"}}, "settings: MONGODB_URI; a secret"),
        (DEV, {"settings": {"SMTP_URL": ""}}, "settings: SMTP_URL; a secret"),
        (DEV, {"settings": {"PORT": "80"}}, "settings: PORT; the task says it"),
        (DEV, {"settings": {"METRICS_FORMAT": "off"}}, "settings: METRICS_FORMAT; the task says it"),
    ],
)
def test_what_does_not_go_together_is_refused(env, change, told):
    with pytest.raises(ImpossibleEnvironment) as refused:
        replace(env, **change)
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("env", "change"),
    [
        (PROD, {"ollama_instance": "p5.48xlarge"}),
        (PROD, {"ollama_instance": "g6e.2xlarge"}),
        (PROD, {"answers_at_once": 1}),
        (PROD, {"ollama_hosts_most": 0}),
        (PROD, {"ollama_hosts_most": 2}),
        (DEV, {"cache_node": "cache.r6gd.12xlarge"}),
        (DEV, {"cache_replicas": 5}),
        (DEV, {"monthly_budget_usd": 1}),
        (DEV, {"log_level": "ERROR"}),
        (DEV, {"repository": "e-x/my.repo_2"}),
        (DEV, {"settings": {}}),
        (DEV, {"settings": {"RETENTION_DAYS": "30"}}),
    ],
)
def test_what_just_goes_together_is_taken(env, change):
    (name, value), *_ = change.items()
    assert getattr(replace(env, **change), name) == value


@pytest.mark.parametrize("part", ["us", "eu", "apac", "jp", "au", "global"])
def test_an_inference_profile_is_known_by_its_part_of_the_world(part):
    env = replace(STAGING, bedrock_model=f"{part}.amazon.nova-2-lite-v1:0")
    profile, models = bedrock_grants(env)
    assert profile.resources[0].endswith(f":inference-profile/{env.bedrock_model}")
    assert models.only_through == profile.resources[0]
    assert all(each.endswith("/amazon.nova-2-lite-v1:0") for each in models.resources)


@pytest.mark.parametrize(
    "model", ["amazon.nova-lite-v1:0", "zai.glm-4.7", "ai21.jamba-1-5-large-v1:0", "meta.llama3-1"]
)
def test_a_model_without_a_part_of_the_world_is_no_profile(model):
    (grant,) = bedrock_grants(replace(STAGING, bedrock_model=model, bedrock_regions=()))
    assert grant.resources == (f"arn:aws:bedrock:us-east-1::foundation-model/{model}",)


def test_what_is_protected_shares_its_account_with_nobody():
    account = "111111111111"
    with pytest.raises(ImpossibleEnvironment, match="account: 111111111111 is dev's, too"):
        side_by_side(replace(DEV, account=account), replace(PROD, account=account))
    shared = side_by_side(replace(DEV, account=account), replace(STAGING, account=account), PROD)
    assert list(shared) == ["dev", "staging", "prod"]
    # Nothing is deployed to the account that is still to be named.
    assert PROD.account == DEV.account == PLACEHOLDER_ACCOUNT
    assert side_by_side(DEV, STAGING, PROD) == ENVIRONMENTS


def test_a_network_may_be_there_before_it_is_peered_with():
    assert replace(DEV, atlas_peering_id="").atlas_peering_id == ""


def test_github_may_call_the_repository_something_else():
    assert PROD.subject == "repo:example/eloquent:environment:prod"
    numbered = replace(PROD, github_subject="repo:example@1/eloquent@2")
    assert numbered.subject == "repo:example@1/eloquent@2:environment:prod"


def test_where_ollama_answers_no_more_is_let_through_than_all_hosts_give():
    assert plain_settings(PROD)["MODEL_SLOTS"] == f"ollama={PROD.answers_at_once * PROD.models_most}"
    assert "MODEL_SLOTS" not in plain_settings(STAGING)


def test_any_setting_can_be_given_or_changed():
    more = replace(DEV, settings={"RATE_LIMIT_RUNS_PER_MINUTE": "30", "LOG_LEVEL": "WARNING", "MAIL_BACKEND": ""})
    given = plain_settings(more)
    assert (given["RATE_LIMIT_RUNS_PER_MINUTE"], given["LOG_LEVEL"]) == ("30", "WARNING")
    assert "MAIL_BACKEND" not in given


def test_all_faults_are_told_at_once():
    with pytest.raises(ImpossibleEnvironment) as refused:
        replace(STAGING, account="1", zones=(), answering=(), cache_replicas=9, settings={"ONE": "", "TWO": ""})
    told = [fault.partition(":")[0] for fault in refused.value.faults]
    assert {"account", "zones", "answering", "cache_replicas"} <= set(told)
    assert told.count("settings") == 2
