"""A firewall's verdict, worked out from a template: what AWS's groups find is given, the rest is read."""

import re
from posixpath import normpath
from typing import Any
from urllib.parse import unquote

Rule = dict[str, Any]


RULES = {
    "AWSManagedRulesCommonRuleSet": (
        "NoUserAgent_Header UserAgent_BadBots_Header SizeRestrictions_QueryString SizeRestrictions_Cookie_Header "
        "SizeRestrictions_Body SizeRestrictions_URIPath EC2MetaDataSSRF_Body EC2MetaDataSSRF_Cookie "
        "EC2MetaDataSSRF_URIPath EC2MetaDataSSRF_QueryArguments GenericLFI_QueryArguments GenericLFI_URIPath "
        "GenericLFI_Body RestrictedExtensions_URIPath RestrictedExtensions_QueryArguments GenericRFI_QueryArguments "
        "GenericRFI_Body GenericRFI_URIPath CrossSiteScripting_Cookie CrossSiteScripting_QueryArguments "
        "CrossSiteScripting_Body CrossSiteScripting_URIPath"
    ),
    "AWSManagedRulesKnownBadInputsRuleSet": (
        "JavaDeserializationRCE_Header JavaDeserializationRCE_Body JavaDeserializationRCE_URIPath "
        "JavaDeserializationRCE_QueryString Host_Localhost_Header PROPFIND_Method ExploitablePaths_URIPath "
        "Log4JRCE_Header Log4JRCE_QueryString Log4JRCE_Body Log4JRCE_URIPath ReactJSRCE_Body"
    ),
}
"""All rules of both groups as AWS described them in September 2026, each with the spelling of its label:
https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
"""
_NAMESPACES = {
    "AWSManagedRulesCommonRuleSet": "core-rule-set",
    "AWSManagedRulesKnownBadInputsRuleSet": "known-bad-inputs",
}


def labels_of(group: str) -> dict[str, str]:
    """By a rule's name the label that AWS's group leaves for it: they differ in capitals."""
    namespace = f"awswaf:managed:aws:{_NAMESPACES[group]}"
    named = {}
    for rule in RULES[group].split():
        name, _, part = rule.rpartition("_")
        named[f"{name}_{part.upper()}"] = f"{namespace}:{rule}"
    return named


def rules_about(*parts: str) -> list[tuple[str, str]]:
    """Every group and rule of AWS's that judges such a part of a request (`BODY`)."""
    return [(group, rule) for group in RULES for rule in labels_of(group) if rule.rpartition("_")[2] in parts]


def verdict(acl: dict[str, Any], path: str, *, group: str = "", finds: str = "") -> str:
    """`allow`, or the name of the rule that stops a request to the path in which the group finds something."""
    labels: set[str] = set()
    for rule in sorted(acl["Rules"], key=lambda each: each["Priority"]):
        if managed := rule["Statement"].get("ManagedRuleGroupStatement"):
            if managed["Name"] != group or not finds:
                continue
            labels.add(labels_of(group)[finds])
            counted = {
                each["Name"] for each in managed.get("RuleActionOverrides", []) if "Count" in each["ActionToUse"]
            }
            if finds not in counted and rule["OverrideAction"] == {"None": {}}:
                return finds
            continue
        if "RateBasedStatement" in rule["Statement"] or "Block" not in rule["Action"]:
            continue
        if matches(rule["Statement"], path, labels):
            return str(rule["Name"])
    (default,) = acl["DefaultAction"]
    return str(default).lower()


def matches(statement: Rule, path: str, labels: set[str]) -> bool:
    """Whether a statement means a request to the path that has these labels."""
    match statement:
        case {"AndStatement": {"Statements": parts}}:
            return all(matches(each, path, labels) for each in parts)
        case {"OrStatement": {"Statements": parts}}:
            return any(matches(each, path, labels) for each in parts)
        case {"NotStatement": {"Statement": part}}:
            return not matches(part, path, labels)
        case {"LabelMatchStatement": {"Scope": "LABEL", "Key": key}}:
            return key in labels
        case {
            "ByteMatchStatement": {
                "FieldToMatch": {"UriPath": {}},
                "PositionalConstraint": how,
                "SearchString": beginning,
                "TextTransformations": kinds,
            }
        }:
            if [each["Type"] for each in kinds] == ["URL_DECODE", "NORMALIZE_PATH"]:
                # Several slashes are one, which `normpath` leaves at the beginning.
                path = normpath(re.sub("/+", "/", unquote(path)))
            return path == beginning if how == "EXACTLY" else path.startswith(beginning)
    raise AssertionError(f"a statement that this does not know: {statement}")
