package eloquent.images

import rego.v1

# ELQ-001: Every container's image comes from our own registry: a network without a way out can pull from nowhere else,
# and nobody else may push there. `{{account}}` is the environment's.

_ours := `^{{account}}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/`

violation contains v if {
	some name in resources_of_type("AWS::ECS::TaskDefinition")
	some i, container in resolve(name, "Properties.ContainerDefinitions")
	not _is_ours(container)
	v := make_diag_at(
		"ELQ-001", "ERROR", name, sprintf("Properties.ContainerDefinitions.%d.Image", [i]),
		"A container's image comes from our own registry",
	)
}

_is_ours(container) if regex.match(_ours, container.Image)
