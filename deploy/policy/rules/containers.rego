package eloquent.containers

import rego.v1

# ELQ-007: A container cannot change its own files, is nobody in particular, and has no secret in plain text.

_containers contains [name, i, container] if {
	some name in resources_of_type("AWS::ECS::TaskDefinition")
	some i, container in resolve(name, "Properties.ContainerDefinitions")
}

_at(i, property) := sprintf("Properties.ContainerDefinitions.%d.%s", [i, property])

violation contains v if {
	some [name, i, container] in _containers
	not object.get(container, "ReadonlyRootFilesystem", false) in {true, "true"}
	v := make_diag_at("ELQ-007", "ERROR", name, _at(i, "ReadonlyRootFilesystem"), "A container's own files are read-only")
}

violation contains v if {
	some [name, i, container] in _containers
	user := sprintf("%v", [object.get(container, "User", "")])
	regex.match(`^(|0|root)(:.*)?$`, user)
	v := make_diag_at("ELQ-007", "ERROR", name, _at(i, "User"), "A container's user is named, and is not root")
}

violation contains v if {
	some [name, i, container] in _containers
	object.get(container, "Privileged", false) in {true, "true"}
	v := make_diag_at("ELQ-007", "ERROR", name, _at(i, "Privileged"), "No container is privileged")
}

violation contains v if {
	some [name, i, container] in _containers
	some variable in object.get(container, "Environment", [])
	regex.match(`(SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE|_KEY$|API_?KEY|_DSN$|^MONGODB_URI$|^REDIS_URL$|^SMTP_URL$)`, variable.Name)
	v := make_diag_at(
		"ELQ-007", "ERROR", name, _at(i, "Environment"),
		sprintf("%s comes from Secrets Manager, not in plain text", [variable.Name]),
	)
}
