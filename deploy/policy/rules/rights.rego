package eloquent.rights

import rego.v1

# ELQ-003: Nobody may do everything, nor something with everything. AWS knows no narrower resource for the actions below:
# they are the reviewed list.

_without_resource := {
	"ecr:GetAuthorizationToken",
	"ecs:DescribeTaskDefinition",
	"ecs:DiscoverPollEndpoint",
	"ecs:RegisterTaskDefinition",
	"xray:PutTraceSegments",
}

_policies := {
	"AWS::IAM::Policy": "Properties.PolicyDocument",
	"AWS::IAM::ManagedPolicy": "Properties.PolicyDocument",
	"AWS::IAM::RolePolicy": "Properties.PolicyDocument",
	"AWS::IAM::UserPolicy": "Properties.PolicyDocument",
	"AWS::IAM::GroupPolicy": "Properties.PolicyDocument",
}

# Statements by the resource and the path of their document.
_allowed contains [name, path, statement] if {
	some type, path in _policies
	some name in resources_of_type(type)
	some statement in _listed(resolve(name, sprintf("%s.Statement", [path])))
	statement.Effect == "Allow"
}

_allowed contains [name, path, statement] if {
	some type in ["AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group"]
	some name in resources_of_type(type)
	some i, policy in resolve(name, "Properties.Policies")
	path := sprintf("Properties.Policies.%d.PolicyDocument", [i])
	some statement in _listed(policy.PolicyDocument.Statement)
	statement.Effect == "Allow"
}

_listed(value) := value if is_array(value)
_listed(value) := [value] if not is_array(value)

# `*`, and `s3:*`.
violation contains v if {
	some [name, path, statement] in _allowed
	some action in _listed(statement.Action)
	regex.match(`^([a-z0-9-]+:)?\*$`, action)
	v := make_diag_at("ELQ-003", "ERROR", name, path, sprintf("%s is more than anybody needs", [action]))
}

violation contains v if {
	some [name, path, statement] in _allowed
	object.get(statement, "NotAction", null) != null
	v := make_diag_at("ELQ-003", "ERROR", name, path, "What is allowed is named, not what is not")
}

violation contains v if {
	some [name, path, statement] in _allowed
	"*" in _listed(statement.Resource)
	some action in _listed(statement.Action)
	not action in _without_resource
	v := make_diag_at("ELQ-003", "ERROR", name, path, sprintf("%s is allowed with everything", [action]))
}

# Policies of things themselves: everybody is nobody in particular, unless a condition says who.
_of_things := {
	"AWS::S3::BucketPolicy": "Properties.PolicyDocument",
	"AWS::KMS::Key": "Properties.KeyPolicy",
	"AWS::EC2::VPCEndpoint": "Properties.PolicyDocument",
	"AWS::SecretsManager::ResourcePolicy": "Properties.ResourcePolicy",
	"AWS::ECR::Repository": "Properties.RepositoryPolicyText",
}

violation contains v if {
	some type, path in _of_things
	some name in resources_of_type(type)
	some statement in _listed(resolve(name, sprintf("%s.Statement", [path])))
	statement.Effect == "Allow"
	_is_everybody(statement.Principal)
	object.get(statement, "Condition", {}) == {}
	not _is_layers_of_images(type, statement)
	v := make_diag_at("ELQ-003", "ERROR", name, path, "Everybody is allowed this, without a condition")
}

_is_everybody("*") if true
_is_everybody(principal) if "*" in _listed(principal.AWS)

# ECR signs addresses of layers in a bucket of AWS's own: whoever reads there is not known to be anybody.
_is_layers_of_images(type, statement) if {
	type == "AWS::EC2::VPCEndpoint"
	_listed(statement.Action) == ["s3:GetObject"]
	regex.match(`^arn:aws:s3:::prod-[a-z0-9-]+-starport-layer-bucket/\*$`, statement.Resource)
}
