"""`python -m deploy.scan --env prod --tag T`: what the registry's own scan found in an image; it waits for it.

Every image is scanned when it is pushed. A hole of the worst kind keeps the image from being deployed; the others are
counted. `make audit` looks at our own packages more often than images are built.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from deploy import naming
from deploy.commands.account import Account, Refused, arguments, carry_out, until

LONGEST_S: Final = 900
WORST: Final = "CRITICAL"
_UNDER_WAY: Final = {"PENDING", "IN_PROGRESS"}
_INDEX: Final = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


def scan(account: Account, tag: str) -> None:
    """Wait, and say how many were found of each kind.

    Raises:
        Refused: a hole of the worst kind, or the registry could not look into the image.
    """
    found: dict[str, int] = {}
    for digest in _scanned(account.client("ecr"), tag):
        for severity, count in _counts(account, digest).items():
            found[severity] = found.get(severity, 0) + count
    account.say(f"{tag}: " + (", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "no known hole"))
    if found.get(WORST):
        raise Refused(f"{tag} has {found[WORST]} known holes that are {WORST}. It is not deployed.")


def _scanned(ecr: Any, tag: str) -> list[str]:
    """Digests of what runs: of an index the images in it, without their attestations."""
    asked = {"repositoryName": naming.API_REPOSITORY, "acceptedMediaTypes": list(_INDEX)}
    images = ecr.batch_get_image(**asked, imageIds=[{"imageTag": tag}])["images"]
    if not images:
        # No index has this tag, so an image has it, or nothing; the next question tells.
        described = ecr.describe_images(repositoryName=naming.API_REPOSITORY, imageIds=[{"imageTag": tag}])
        return [described["imageDetails"][0]["imageDigest"]]
    manifest = json.loads(images[0]["imageManifest"])
    if "manifests" not in manifest:
        return [images[0]["imageId"]["imageDigest"]]
    return [
        each["digest"] for each in manifest["manifests"] if each.get("platform", {}).get("architecture") != "unknown"
    ]


def _counts(account: Account, digest: str) -> dict[str, int]:
    ecr = account.client("ecr")

    def looked() -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = ecr.describe_image_scan_findings(
                repositoryName=naming.API_REPOSITORY, imageId={"imageDigest": digest}
            )
        except ecr.exceptions.ScanNotFoundException:
            return None
        return None if answer["imageScanStatus"]["status"] in _UNDER_WAY else answer

    answer = until(account, looked, what=f"The scan of {digest}", limit_s=LONGEST_S)
    # A scan that goes on for as long as the image is there is ACTIVE.
    if (status := answer["imageScanStatus"])["status"] not in {"COMPLETE", "ACTIVE"}:
        raise Refused(f"The registry could not look into {digest}: {status.get('description', status['status'])}")
    counts: dict[str, int] = answer.get("imageScanFindings", {}).get("findingSeverityCounts", {})
    return counts


def main(argv: Sequence[str]) -> int:
    """0 when nothing of the worst kind is known."""
    parser = arguments("Say what the registry's scan found in an image.")
    parser.add_argument("--tag", required=True, help="of the API's image")
    asked = parser.parse_args(argv)
    return carry_out(lambda account: scan(account, asked.tag), asked.env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
