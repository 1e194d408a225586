"""A firewall's verdict, worked out from a template: what AWS's groups find is given, the rest is read."""

from posixpath import normpath
from typing import Any
from urllib.parse import unquote

Rule = dict[str, Any]


def label_of(group: str, rule: str) -> str:
    """The label that AWS's group leaves for a rule: https://docs.aws.amazon.com/waf/latest/developerguide/."""
    short = {
        "AWSManagedRulesCommonRuleSet": "core-rule-set",
        "AWSManagedRulesKnownBadInputsRuleSet": "known-bad-inputs",
    }
    name, _, part = rule.rpartition("_")
    parts = {"BODY": "Body", "QUERYARGUMENTS": "QueryArguments", "QUERYSTRING": "QueryString", "URIPATH": "URIPath"}
    return f"awswaf:managed:aws:{short[group]}:{name}_{parts.get(part, part.title())}"


def verdict(acl: dict[str, Any], path: str, *, group: str = "", finds: str = "") -> str:
    """`allow`, or the name of the rule that stops a request to the path in which the group finds something."""
    labels: set[str] = set()
    for rule in sorted(acl["Rules"], key=lambda each: each["Priority"]):
        if managed := rule["Statement"].get("ManagedRuleGroupStatement"):
            if managed["Name"] != group or not finds:
                continue
            labels.add(label_of(group, finds))
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
                path = normpath(unquote(path))
            return path == beginning if how == "EXACTLY" else path.startswith(beginning)
    raise AssertionError(f"a statement that this does not know: {statement}")
