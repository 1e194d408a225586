"""Who can reach whom, in the templates and in the README."""

import copy
import re
from pathlib import Path

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.reachability import Edge, Reachability
from deploy.templates import Templates, Unresolvable

README = Path(__file__).parent.parent / "README.md"
NAMES = list(ENVIRONMENTS)


def reachability(name, templates):
    return Reachability(Templates(ENVIRONMENTS[name], templates[name]))


def edges_in_readme(name):
    section = README.read_text().partition("## Who can reach whom")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", section, re.MULTILINE)]
    column = rows[0].index(name)
    return {Edge(*row[:3]) for row in rows[2:] if row[column] == "yes"}


def group(template, name):
    """A group's logical id."""
    return next(
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::EC2::SecurityGroup"
        and any(tag["Value"].endswith(f"-{name}") for tag in resource["Properties"]["Tags"])
    )


def planted(templates, name, stack, **resources):
    """The templates with more resources in one of the stacks."""
    changed = copy.deepcopy(templates[name])
    changed[stack].setdefault("Resources", {}).update(resources)
    return Reachability(Templates(ENVIRONMENTS[name], changed))


def rule(way, group, **rest):
    return {
        "Type": f"AWS::EC2::SecurityGroup{way}",
        "Properties": {"GroupId": group, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **rest},
    }


@pytest.mark.parametrize("name", NAMES)
def test_everybody_reaches_whom_the_readme_says_and_nobody_else(name, templates):
    assert reachability(name, templates).edges() == edges_in_readme(name)


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_is_half_of_a_pair_or_leads_where_there_is_no_road(name, templates):
    assert reachability(name, templates).idle_rules() == []


@pytest.mark.parametrize("name", NAMES)
def test_nobody_is_in_the_default_group_or_in_two(name, templates):
    members = reachability(name, templates).members()
    assert any(member.startswith("data/") for member in members)
    assert {member: groups for member, groups in members.items() if len(groups) != 1} == {}


@pytest.mark.parametrize("name", NAMES)
def test_only_where_nat_gateways_are_does_a_route_lead_to_the_internet_gateway(name, templates):
    network = templates[name]["network"]["Resources"]
    public = {
        what["Properties"]["RouteTableId"]["Ref"]
        for what in network.values()
        if what["Type"] == "AWS::EC2::Route" and "GatewayId" in what["Properties"]
    }
    subnets = {
        what["Properties"]["SubnetId"]["Ref"]
        for what in network.values()
        if what["Type"] == "AWS::EC2::SubnetRouteTableAssociation"
        and what["Properties"]["RouteTableId"]["Ref"] in public
    }
    assert bool(subnets) == bool(ENVIRONMENTS[name].nat_gateways)
    gateways = [what for what in network.values() if what["Type"] == "AWS::EC2::NatGateway"]
    assert len(gateways) == ENVIRONMENTS[name].nat_gateways
    assert {what["Properties"]["SubnetId"]["Ref"] for what in gateways} <= subnets
    others = re.findall(r'"(?:Ref|OutputName)": "([^"]+)"', str(templates[name]["data"]).replace("'", '"'))
    assert not [found for found in others if any(subnet in found for subnet in subnets)]


@pytest.mark.parametrize("name", NAMES)
def test_cloudfront_finds_the_internet_gateway_that_its_origin_asks_for(name, templates):
    kinds = [what["Type"] for what in templates[name]["network"]["Resources"].values()]
    assert kinds.count("AWS::EC2::InternetGateway") == kinds.count("AWS::EC2::VPCGatewayAttachment") == 1


def test_a_door_from_the_internet_is_found_in_whatever_stack_it_is(templates):
    network = templates["prod"]["network"]
    api = group(network, "api")
    network_output = {"Fn::GetStackOutput": {"StackName": "eloquent-prod-network", "OutputName": "PlantedApi"}}
    changed = copy.deepcopy(templates)
    changed["prod"]["network"].setdefault("Outputs", {})["PlantedApi"] = {"Value": {"Fn::GetAtt": [api, "GroupId"]}}
    found = planted(changed, "prod", "data", Door=rule("Ingress", network_output, CidrIp="0.0.0.0/0"))
    assert found.edges() - edges_in_readme("prod") == {Edge("internet", "api", "22")}


def test_a_door_inside_of_a_group_is_found(templates):
    changed = copy.deepcopy(templates)
    network = changed["prod"]["network"]
    network["Resources"][group(network, "cache")]["Properties"]["SecurityGroupIngress"] = [
        {"CidrIpv6": "::/0", "IpProtocol": "-1"}
    ]
    found = reachability("prod", changed)
    assert found.edges() - edges_in_readme("prod") == {Edge("internet", "cache", "all")}


def test_half_a_door_is_no_edge_and_an_idle_rule(templates):
    network = templates["prod"]["network"]
    model, cache = ({"Fn::GetAtt": [group(network, name), "GroupId"]} for name in ("model", "cache"))
    half = {"Half": rule("Ingress", cache, SourceSecurityGroupId=model)}
    found = planted(templates, "prod", "network", **half)
    assert found.edges() == edges_in_readme("prod")
    assert found.idle_rules() == ["cache from model 22"]
    whole = planted(templates, "prod", "network", **half, Other=rule("Egress", model, DestinationSecurityGroupId=cache))
    assert whole.edges() - edges_in_readme("prod") == {Edge("model", "cache", "22")}


def test_a_door_for_the_whole_network_is_one_for_everybody_who_may_go_out_to_it(templates):
    network = templates["prod"]["network"]
    model = {"Fn::GetAtt": [group(network, "model"), "GroupId"]}
    door = rule("Ingress", model, CidrIp="10.30.0.0/16", FromPort=443, ToPort=11434)
    found = planted(templates, "prod", "network", Door=door)
    # The application may go anywhere at 443.
    assert found.edges() - edges_in_readme("prod") == {Edge("api", "model", "443")}


def test_a_group_without_a_rule_for_the_way_out_reaches_everything(templates):
    lone = {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "made by hand"}}
    found = planted(templates, "prod", "network", Lone=lone)
    assert Edge("network/Lone", "internet", "all") in found.edges()
    isolated = planted(templates, "staging", "network", Lone=lone)
    assert isolated.edges() == edges_in_readme("staging")


def test_a_way_out_without_a_road_is_none(templates):
    api = {"Fn::GetAtt": [group(templates["staging"]["network"], "api"), "GroupId"]}
    found = planted(templates, "staging", "network", Out=rule("Egress", api, CidrIp="0.0.0.0/0"))
    assert found.edges() == edges_in_readme("staging")
    assert found.idle_rules() == ["api to 0.0.0.0/0 22"]


def test_a_service_without_a_group_is_in_the_default_one(templates):
    service = {"Type": "AWS::ECS::Service", "Properties": {"NetworkConfiguration": {"AwsvpcConfiguration": {}}}}
    assert planted(templates, "dev", "data", Stray=service).members()["data/Stray"] == frozenset()


def test_a_reference_that_leads_nowhere_is_told_rather_than_passed_over(templates):
    with pytest.raises(Unresolvable):
        planted(templates, "dev", "data", Door=rule("Ingress", {"Fn::ImportValue": "elsewhere"}, CidrIp="0.0.0.0/0"))
