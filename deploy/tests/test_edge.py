"""The edge: what is cached, what is passed on, what is stopped, and what is written down."""

from dataclasses import replace

import aws_cdk as cdk
import pytest

from deploy import naming
from deploy.environments import ENVIRONMENTS, PROD
from deploy.factory import build
from deploy.stacks.edge import EdgeStack, WrongRegion
from deploy.tests.firewalls import matches, rules_about, verdict
from deploy.tests.templates_of import all_of, one, written_out

NAMES = tuple(ENVIRONMENTS)
CORE, KNOWN = "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet"
NOT_CACHED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
CACHED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
CHAT = ("/api/v1/ui/chat", "/api/v1/conversations", "/v1/chat/completions", "/api/v1/search", "/api/v1/attachments")
ELSEWHERE = ("/admin/login/", "/", "/ws/chat", "/apis", "/static/../api/x", "/v1x", "/x/api/")


@pytest.fixture(params=NAMES)
def edge(request, templates):
    return templates[request.param]["edge"]


@pytest.fixture
def behaviors(edge):
    found = one(edge, "CloudFront::Distribution")["DistributionConfig"]
    return {"*": found["DefaultCacheBehavior"], **{each["PathPattern"]: each for each in found["CacheBehaviors"]}}


@pytest.fixture(scope="session")
def acl(templates):
    return one(templates["prod"]["edge"], "WAFv2::WebACL")


def test_the_edge_is_in_one_region_wherever_the_rest_is(templates, tmp_path):
    assert {each.region for each in ENVIRONMENTS.values()} == {"us-east-1", "eu-central-1"}
    platform = build(PROD, outdir=str(tmp_path))
    api = next(stack for stack in platform.stacks if stack.stack_name.endswith("-api"))
    here = cdk.Environment(account=PROD.account, region=PROD.region)
    with pytest.raises(WrongRegion, match="us-east-1, not in eu-central-1"):
        EdgeStack(platform.app, "astray", settings=PROD, api=api, env=here)


def test_a_stream_is_neither_cached_nor_compressed_on_its_way(behaviors):
    dynamic = {pattern: each for pattern, each in behaviors.items() if pattern != "/static/*"}
    assert set(dynamic) == {"*", "/api/*", "/v1/*", "/ws/*", "/.well-known/*"}
    assert {each["CachePolicyId"] for each in dynamic.values()} == {NOT_CACHED}
    assert {each["Compress"] for each in dynamic.values()} == {False}
    assert {len(each["AllowedMethods"]) for each in dynamic.values()} == {7}


def test_static_files_are_cached_and_compressed_and_get_no_cookie(edge, behaviors):
    static = behaviors["/static/*"]
    assert (static["CachePolicyId"], static["Compress"]) == (CACHED, True)
    assert set(static["AllowedMethods"]) == {"GET", "HEAD"}
    policy = edge["Resources"][static["OriginRequestPolicyId"]["Ref"]]["Properties"]["OriginRequestPolicyConfig"]
    assert policy["HeadersConfig"] == {"HeaderBehavior": "whitelist", "Headers": ["Host"]}
    assert policy["CookiesConfig"] == {"CookieBehavior": "none"}


def test_all_that_a_client_sends_is_passed_on_with_where_it_is(edge, behaviors):
    (policy,) = {each["OriginRequestPolicyId"]["Ref"] for path, each in behaviors.items() if path != "/static/*"}
    found = edge["Resources"][policy]["Properties"]["OriginRequestPolicyConfig"]
    assert found["HeadersConfig"]["HeaderBehavior"] == "allViewerAndWhitelistCloudFront"
    assert set(found["HeadersConfig"]["Headers"]) == {
        "CloudFront-Viewer-Country",
        "CloudFront-Viewer-City",
        "CloudFront-Viewer-Address",
    }
    assert found["CookiesConfig"] == {"CookieBehavior": "all"}
    assert found["QueryStringsConfig"] == {"QueryStringBehavior": "all"}


def test_an_interface_is_never_led_on_from_plain_http(behaviors):
    policies = {pattern: each["ViewerProtocolPolicy"] for pattern, each in behaviors.items()}
    assert policies == {
        "*": "redirect-to-https",
        "/static/*": "redirect-to-https",
        **dict.fromkeys(("/api/*", "/v1/*", "/ws/*", "/.well-known/*"), "https-only"),
    }


def test_no_header_is_added_to_the_applications_own(behaviors):
    assert [each for each in behaviors.values() if "ResponseHeadersPolicyId" in each] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_way_in_is_cloudfronts_own_over_tls_to_the_load_balancer_itself(templates, name):
    env, edge = ENVIRONMENTS[name], templates[name]["edge"]
    endpoint = one(edge, "CloudFront::VpcOrigin")["VpcOriginEndpointConfig"]
    assert (endpoint["OriginProtocolPolicy"], endpoint["OriginSSLProtocols"]) == ("https-only", ["TLSv1.2"])
    # A value as a whole, from the other stack's output in the other region: nothing is taken apart.
    reference = endpoint["Arn"]["Fn::GetStackOutput"]
    assert (reference["StackName"], reference["Region"]) == (naming.stack_name(env, "api"), env.region)
    value = templates[name]["api"]["Outputs"][reference["OutputName"]]["Value"]
    assert templates[name]["api"]["Resources"][value["Ref"]]["Type"] == "AWS::ElasticLoadBalancingV2::LoadBalancer"


@pytest.mark.parametrize("name", NAMES)
def test_what_cloudfront_calls_its_origin_is_in_the_certificate_and_in_no_zone(templates, name):
    edge, api = templates[name]["edge"], templates[name]["api"]
    (origin,) = one(edge, "CloudFront::Distribution")["DistributionConfig"]["Origins"]
    assert origin["DomainName"] in one(api, "CertificateManager::Certificate")["SubjectAlternativeNames"]
    names = {each["Name"] for stack in templates[name].values() for each in all_of(stack, "Route53::RecordSet")}
    assert names == {f"{ENVIRONMENTS[name].domain}."}


@pytest.mark.parametrize("name", NAMES)
def test_the_domain_leads_to_the_edge_for_both_kinds_of_addresses(templates, name):
    env, edge = ENVIRONMENTS[name], templates[name]["edge"]
    records = all_of(edge, "Route53::RecordSet")
    assert {each["Type"] for each in records} == {"A", "AAAA"}
    assert {each["HostedZoneId"] for each in records} == {env.hosted_zone_id}
    found = one(edge, "CloudFront::Distribution")["DistributionConfig"]
    assert found["Aliases"] == [env.domain]
    assert found["HttpVersion"] == "http2and3"
    assert found["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
    assert one(edge, "CertificateManager::Certificate")["DomainName"] == env.domain


def test_the_firewall_stands_before_the_distribution(edge):
    found = one(edge, "CloudFront::Distribution")["DistributionConfig"]
    assert found["WebACLId"] == {"Fn::GetAtt": ["Firewall", "Arn"]}
    acl = one(edge, "WAFv2::WebACL")
    assert acl["Scope"] == "CLOUDFRONT"
    groups = [
        each["Statement"]["ManagedRuleGroupStatement"]["Name"]
        for each in acl["Rules"]
        if "ManagedRuleGroupStatement" in each["Statement"]
    ]
    assert groups == ["AWSManagedRulesAmazonIpReputationList", CORE, KNOWN]


@pytest.mark.parametrize("path", CHAT)
@pytest.mark.parametrize(("group", "rule"), rules_about("BODY", "QUERYARGUMENTS", "QUERYSTRING"))
def test_what_people_write_is_never_stopped_for_what_it_is_about(acl, path, group, rule):
    # A question of more than 2 KB in an address is none of ours.
    stops = rule if rule == "SizeRestrictions_QUERYSTRING" else "allow"
    assert verdict(acl, path, group=group, finds=rule) == stops


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize(("group", "rule"), rules_about("BODY", "QUERYARGUMENTS", "QUERYSTRING"))
def test_elsewhere_the_same_is_stopped(acl, path, group, rule):
    # How much a body may be is the application's to say, everywhere.
    stops = {"SizeRestrictions_BODY": "allow", "SizeRestrictions_QUERYSTRING": rule}.get(rule, "elsewhere")
    assert verdict(acl, path, group=group, finds=rule) == stops


@pytest.mark.parametrize("path", [*CHAT, *ELSEWHERE])
@pytest.mark.parametrize(("group", "rule"), rules_about("HEADER", "COOKIE", "URIPATH", "METHOD"))
def test_what_is_no_conversation_is_stopped_everywhere(acl, path, group, rule):
    assert verdict(acl, path, group=group, finds=rule) == rule


@pytest.mark.parametrize("path", [*CHAT, *ELSEWHERE])
def test_where_nothing_is_found_nothing_is_stopped(acl, path):
    assert verdict(acl, path) == "allow"


def test_an_address_has_a_limit_and_a_tighter_one_for_signing_in(acl):
    limits = {
        each["Name"]: (each["Statement"]["RateBasedStatement"], each["Action"])
        for each in acl["Rules"]
        if "RateBasedStatement" in each["Statement"]
    }
    assert set(limits) == {"requests", "sign-ins"}
    for limit, action in limits.values():
        assert (limit["AggregateKeyType"], limit["EvaluationWindowSec"]) == ("IP", 300)
        assert action["Block"]["CustomResponse"]["ResponseCode"] == 429
    tight, general = limits["sign-ins"][0], limits["requests"][0]
    assert tight["Limit"] * 10 < general["Limit"]
    means = {
        path: matches(tight["ScopeDownStatement"], f"/api/v1/{path}", set())
        for path in ("auth/login", "auth/register", "auth/refresh", "auth/socket-ticket", "conversations")
    }
    assert [path for path, meant in means.items() if meant] == ["auth/login", "auth/register"]
    assert "ScopeDownStatement" not in general


@pytest.mark.parametrize("path", ["/%61pi/v1/auth/login", "/x/../api/v1/auth/login", "//api/v1/auth/login"])
def test_the_limit_of_signing_in_is_for_the_path_as_it_is_read(acl, path):
    (tight,) = (each["Statement"]["RateBasedStatement"] for each in acl["Rules"] if each["Name"] == "sign-ins")
    assert matches(tight["ScopeDownStatement"], path, set())


def test_the_firewall_looks_at_as_much_of_a_body_as_costs_nothing(acl):
    assert acl["AssociationConfig"]["RequestBody"]["CLOUDFRONT"]["DefaultSizeInspectionLimit"] == "KB_16"


@pytest.mark.parametrize("name", NAMES)
def test_the_firewalls_log_has_no_token_no_cookie_and_no_question(templates, name):
    edge, env = templates[name]["edge"], ENVIRONMENTS[name]
    found = one(edge, "WAFv2::LoggingConfiguration")
    assert found["RedactedFields"] == [
        {"SingleHeader": {"Name": "authorization"}},
        {"SingleHeader": {"Name": "cookie"}},
        {"QueryString": {}},
    ]
    assert found["LoggingFilter"]["DefaultBehavior"] == "DROP"
    group = one(edge, "Logs::LogGroup")
    assert group["LogGroupName"] == f"aws-waf-logs-eloquent-{name}-edge"
    assert group["RetentionInDays"] == int(env.log_days)
    expected = f"arn:aws:logs:us-east-1:{env.account}:log-group:{group['LogGroupName']}"
    assert found["LogDestinationConfigs"] == [expected]
    acl = one(edge, "WAFv2::WebACL")
    seen = [acl["VisibilityConfig"], *(rule["VisibilityConfig"] for rule in acl["Rules"])]
    assert {each["SampledRequestsEnabled"] for each in seen} == {False}


@pytest.mark.parametrize("name", NAMES)
def test_cloudfronts_log_says_who_asked_for_which_path_and_nothing_of_the_question(templates, name):
    edge, env = templates[name]["edge"], ENVIRONMENTS[name]
    fields = set(one(edge, "Logs::Delivery")["RecordFields"])
    assert {"c-ip", "cs-method", "cs-uri-stem", "sc-status", "x-edge-request-id"} <= fields
    assert not fields & {"cs-uri-query", "cs(Cookie)", "cs(Referer)", "cs-headers"}
    assert one(edge, "Logs::DeliverySource")["LogType"] == "ACCESS_LOGS"
    destination = one(edge, "Logs::DeliveryDestination")["DestinationResourceArn"]
    bucket = naming.bucket_name(env, "logs")
    assert destination == f"arn:aws:s3:::{bucket}/edge"
    # Where the bucket itself lets it be written.
    (policy,) = (each for each in all_of(templates[name]["data"], "S3::BucketPolicy") if "delivery.logs" in str(each))
    assert f"/edge/AWSLogs/{env.account}/*" in str(policy)


def test_the_edge_moves_with_its_domain(tmp_path):
    env = replace(PROD, domain="chat.example.org")
    edge = written_out(env, tmp_path)["edge"]
    assert one(edge, "CloudFront::Distribution")["DistributionConfig"]["Aliases"] == ["chat.example.org"]
