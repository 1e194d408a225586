"""`python -m deploy.scan`: an image with a hole of the worst kind is not deployed, and a scan is waited for."""

import json

import boto3
import pytest

from deploy.commands.account import Refused
from deploy.scan import scan

INDEX = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.oci.image.index.v1+json",
    "manifests": [
        {"digest": "sha256:itself", "platform": {"architecture": "amd64", "os": "linux"}},
        {"digest": "sha256:attestations", "platform": {"architecture": "unknown", "os": "unknown"}},
    ],
}


class Registry:
    """ECR with one image, whose scan goes through `states`. Moto's own scans end when they begin."""

    def __init__(self, *states, found=None, index=True) -> None:
        self.exceptions = boto3.client("ecr", region_name="eu-central-1").exceptions
        self.states, self.found, self.index = list(states), found or {}, index
        self.looked_at = []

    def batch_get_image(self, *, repositoryName, imageIds, acceptedMediaTypes):  # noqa: N803
        assert (repositoryName, imageIds) == ("eloquent/api", [{"imageTag": "one"}])
        assert INDEX["mediaType"] in acceptedMediaTypes
        whole = {"imageManifest": json.dumps(INDEX), "imageId": {"imageDigest": "sha256:index"}}
        return {"images": [whole] if self.index else []}

    def describe_images(self, *, repositoryName, imageIds):  # noqa: N803
        assert (repositoryName, imageIds) == ("eloquent/api", [{"imageTag": "one"}])
        return {"imageDetails": [{"imageDigest": "sha256:plain"}]}

    def describe_image_scan_findings(self, *, repositoryName, imageId):  # noqa: N803
        assert repositoryName == "eloquent/api"
        self.looked_at.append(imageId["imageDigest"])
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state is None:
            raise self.exceptions.ScanNotFoundException({"Error": {"Code": "ScanNotFoundException"}}, "Describe")
        return {"imageScanStatus": {"status": state}, "imageScanFindings": {"findingSeverityCounts": self.found}}


def _scanned(cloud, *states, **options):
    cloud.instead["ecr"] = Registry(*states, **options)
    scan(cloud.account, "one")
    return cloud.instead["ecr"].looked_at


def test_what_runs_is_looked_into_and_its_attestations_are_not(cloud):
    assert _scanned(cloud, "COMPLETE", found={"HIGH": 2, "LOW": 1}) == ["sha256:itself"]
    assert cloud.said == ["one: 2 HIGH, 1 LOW"]


def test_an_image_without_an_index_is_looked_into_itself(cloud):
    assert _scanned(cloud, "COMPLETE", index=False) == ["sha256:plain"]
    assert cloud.said == ["one: no known hole"]


def test_a_scan_that_has_not_begun_or_not_ended_is_waited_for(cloud):
    assert len(_scanned(cloud, None, "PENDING", "IN_PROGRESS", "ACTIVE")) == 4
    assert len(cloud.pauses) == 3


@pytest.mark.parametrize("state", ["COMPLETE", "ACTIVE"])
def test_the_worst_kind_keeps_an_image_from_being_deployed(cloud, state):
    with pytest.raises(Refused, match="1 known holes that are CRITICAL"):
        _scanned(cloud, state, found={"CRITICAL": 1})


@pytest.mark.parametrize("state", ["FAILED", "UNSUPPORTED_IMAGE", "SCAN_ELIGIBILITY_EXPIRED"])
def test_an_image_that_could_not_be_looked_into_is_no_good_image(cloud, state):
    with pytest.raises(Refused, match=state):
        _scanned(cloud, state)


def test_a_scan_that_never_comes_ends_in_a_refusal(cloud):
    with pytest.raises(Refused, match="not within 15 minutes"):
        _scanned(cloud, None)
