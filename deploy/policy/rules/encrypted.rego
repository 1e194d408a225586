package eloquent.encrypted

import rego.v1

# ELQ-006: TLS everywhere, and none that is out of date.

violation contains v if {
	some name in resources_of_type("AWS::ElastiCache::ReplicationGroup")
	some property in ["TransitEncryptionEnabled", "AtRestEncryptionEnabled"]
	path := sprintf("Properties.%s", [property])
	not _is_true(name, path)
	v := make_diag_at("ELQ-006", "ERROR", name, path, "The cache encrypts what it sends and what it keeps")
}

_is_true(name, path) if resolve(name, path) in {true, "true"}

violation contains v if {
	some name in resources_of_type("AWS::S3::Bucket")
	not _refuses_plain(name)
	v := make_diag_at("ELQ-006", "ERROR", name, "Properties", "A bucket's policy denies what does not come over TLS")
}

_refuses_plain(bucket) if {
	some name in resources_of_type("AWS::S3::BucketPolicy")
	some edge in input.resources[name].outgoingRefs
	edge.target == bucket
	edge.sourcePath == "Properties.Bucket"
	some statement in resolve(name, "Properties.PolicyDocument.Statement")
	statement.Effect == "Deny"
	statement.Condition.Bool["aws:SecureTransport"] in {"false", false}
}

violation contains v if {
	some name in resources_of_type("AWS::ElasticLoadBalancingV2::Listener")
	not _is_tls_listener(name)
	v := make_diag_at("ELQ-006", "ERROR", name, "Properties", "A load balancer listens with TLS 1.2 or later")
}

_is_tls_listener(name) if {
	resolve(name, "Properties.Protocol") == "HTTPS"
	regex.match(`^ELBSecurityPolicy-TLS13-1-[23]-`, resolve(name, "Properties.SslPolicy"))
}

violation contains v if {
	some name in resources_of_type("AWS::ElasticLoadBalancingV2::TargetGroup")
	some property in ["Protocol", "HealthCheckProtocol"]
	path := sprintf("Properties.%s", [property])
	not _is_https(name, path)
	v := make_diag_at("ELQ-006", "ERROR", name, path, "A load balancer asks the application over TLS")
}

_is_https(name, path) if resolve(name, path) == "HTTPS"

violation contains v if {
	some name in resources_of_type("AWS::CloudFront::Distribution")
	not _is_tls_distribution(name)
	v := make_diag_at(
		"ELQ-006", "ERROR", name, "Properties.DistributionConfig.ViewerCertificate",
		"CloudFront speaks TLS 1.2 of 2021 or later",
	)
}

_is_tls_distribution(name) if {
	version := resolve(name, "Properties.DistributionConfig.ViewerCertificate.MinimumProtocolVersion")
	regex.match(`^TLSv1\.(2_202[1-9]|3_)`, version)
}

violation contains v if {
	some name in resources_of_type("AWS::CloudFront::Distribution")
	some behavior in _behaviors(name)
	not behavior.ViewerProtocolPolicy in {"redirect-to-https", "https-only"}
	v := make_diag_at(
		"ELQ-006", "ERROR", name, "Properties.DistributionConfig", "CloudFront answers nobody without TLS",
	)
}

_behaviors(name) := array.concat(
	[resolve(name, "Properties.DistributionConfig.DefaultCacheBehavior")],
	object.get(resolve(name, "Properties.DistributionConfig"), "CacheBehaviors", []),
)
