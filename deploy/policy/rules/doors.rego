package eloquent.doors

import rego.v1

# ELQ-002: Nothing has a public address, and nothing is let in from everywhere.

_everywhere := {"0.0.0.0/0", "::/0"}

_is_everywhere(rule) if rule.CidrIp in _everywhere
_is_everywhere(rule) if rule.CidrIpv6 in _everywhere

violation contains v if {
	some name in resources_of_type("AWS::EC2::SecurityGroupIngress")
	some path in ["Properties.CidrIp", "Properties.CidrIpv6"]
	resolve(name, path) in _everywhere
	v := make_diag_at("ELQ-002", "ERROR", name, path, "Nobody is let in from everywhere")
}

violation contains v if {
	some name in resources_of_type("AWS::EC2::SecurityGroup")
	some i, rule in resolve(name, "Properties.SecurityGroupIngress")
	_is_everywhere(rule)
	v := make_diag_at(
		"ELQ-002", "ERROR", name, sprintf("Properties.SecurityGroupIngress.%d", [i]),
		"Nobody is let in from everywhere",
	)
}

# Where a resource says whether it has a public address, and what must not stand there.
_public := {
	"AWS::EC2::Subnet": {"Properties.MapPublicIpOnLaunch": {true, "true"}},
	"AWS::ECS::Service": {"Properties.NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp": {"ENABLED"}},
}

violation contains v if {
	some type, places in _public
	some name in resources_of_type(type)
	some path, wrong in places
	resolve(name, path) in wrong
	v := make_diag_at("ELQ-002", "ERROR", name, path, "Nothing has a public address")
}

violation contains v if {
	some name in resources_of_type("AWS::EC2::LaunchTemplate")
	some interface in resolve(name, "Properties.LaunchTemplateData.NetworkInterfaces")
	interface.AssociatePublicIpAddress in {true, "true"}
	v := make_diag_at("ELQ-002", "ERROR", name, "Properties.LaunchTemplateData", "Nothing has a public address")
}

violation contains v if {
	some name in resources_of_type("AWS::ElasticLoadBalancingV2::LoadBalancer")
	not _is_internal(name)
	v := make_diag_at("ELQ-002", "ERROR", name, "Properties.Scheme", "A load balancer is internal")
}

_is_internal(name) if resolve(name, "Properties.Scheme") == "internal"
