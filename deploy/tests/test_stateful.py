"""What holds data: its names in CloudFormation stay, and what becomes of it is decided.

A logical id that changes is a new, empty resource, and the old one is deleted or forgotten. Whoever renames a construct
sees it here, before a bucket is gone.
"""

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.parameters import plain_settings, secrets_of
from deploy.templates import Templates

STATEFUL = {
    "AWS::ECR::Repository",
    "AWS::ElastiCache::ReplicationGroup",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
}
EVERYWHERE = {
    "registry/apiC8550315": "AWS::ECR::Repository",
    "registry/collector8DA19D22": "AWS::ECR::Repository",
    "data/cache": "AWS::ElastiCache::ReplicationGroup",
    "data/keyFEDD6EC0": "AWS::KMS::Key",
    "data/logs0B6081B1": "AWS::S3::Bucket",
    "data/files6F97A25D": "AWS::S3::Bucket",
    "data/cachepasswordB07240D6": "AWS::SecretsManager::Secret",
    "data/secretSECRETKEYF5BC780B": "AWS::SecretsManager::Secret",
    "data/secretSECRETKEYFALLBACKS42065BEE": "AWS::SecretsManager::Secret",
    "data/secretJWTPRIVATEKEY": "AWS::SecretsManager::Secret",
    "data/secretMONGODBURI": "AWS::SecretsManager::Secret",
    "data/secretREDISURL": "AWS::SecretsManager::Secret",
}
HERE = {
    "dev": {
        "data/secretOPENAIAPIKEY": "AWS::SecretsManager::Secret",
        "data/secretSENTRYDSN": "AWS::SecretsManager::Secret",
    },
    "staging": {},
    "prod": {
        "registry/ollama510A1723": "AWS::ECR::Repository",
        "data/secretMODELCA": "AWS::SecretsManager::Secret",
        "data/modelidentity": "AWS::SecretsManager::Secret",
        "data/secretANTHROPICAPIKEY": "AWS::SecretsManager::Secret",
        "data/secretPINECONEAPIKEY": "AWS::SecretsManager::Secret",
        "data/secretSENTRYDSN": "AWS::SecretsManager::Secret",
    },
}
NAMES = list(ENVIRONMENTS)


def resources(templates, name, stack):
    return templates[name][stack]["Resources"]


def of_type(templates, name, stack, kind):
    return [what for what in resources(templates, name, stack).values() if what["Type"] == kind]


@pytest.mark.parametrize("name", NAMES)
def test_what_holds_data_keeps_its_names(name, templates):
    found = {
        f"{stack}/{logical_id}": what["Type"]
        for stack in ("registry", "data")
        for logical_id, what in resources(templates, name, stack).items()
        if what["Type"] in STATEFUL
    }
    assert found == EVERYWHERE | HERE[name]


@pytest.mark.parametrize("name", NAMES)
def test_data_outlives_a_deleted_stack_where_it_is_protected_and_only_there(name, templates):
    found = {
        (what["DeletionPolicy"], what["UpdateReplacePolicy"])
        for stack in templates[name].values()
        for what in stack.get("Resources", {}).values()
        if what["Type"] in STATEFUL and not what["Type"].startswith("AWS::ElastiCache")
    }
    # What a creation that failed half way has left behind would be in the way of the next one, under the same name.
    kept = ("RetainExceptOnCreate", "Retain")
    assert found == ({kept} if ENVIRONMENTS[name].protected else {("Delete", "Delete")})


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_that_an_owner_brings_has_no_made_up_value(name, templates):
    secrets = {
        what["Properties"]["Name"].rpartition("/")[2]: what["Properties"]
        for what in of_type(templates, name, "data", "AWS::SecretsManager::Secret")
        if what["Properties"]["Name"].startswith(f"/eloquent/{name}/")
    }
    expected = {secret.name: secret.made for secret in secrets_of(ENVIRONMENTS[name])}
    has_value = {key: "SecretString" in what or "GenerateSecretString" in what for key, what in secrets.items()}
    assert has_value == expected
    assert all("KmsKeyId" in what for what in secrets.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_plain_setting_is_a_parameter_at_its_path(name, templates):
    found = {
        what["Properties"]["Name"]: what["Properties"]["Value"]
        for what in of_type(templates, name, "data", "AWS::SSM::Parameter")
    }
    assert found == {f"/eloquent/{name}/{key}": value for key, value in plain_settings(ENVIRONMENTS[name]).items()}


@pytest.mark.parametrize("name", NAMES)
def test_no_template_has_the_caches_password(name, templates):
    (cache,) = of_type(templates, name, "data", "AWS::ElastiCache::ReplicationGroup")
    reference = ["{{resolve:secretsmanager:", {"Ref": "cachepasswordB07240D6"}, ":SecretString}}"]
    assert cache["Properties"]["AuthToken"] == {"Fn::Join": ["", reference]}
    address = resources(templates, name, "data")["secretREDISURL"]["Properties"]["SecretString"]["Fn::Join"][1]
    assert address[0].startswith("rediss://:{{resolve:secretsmanager:")


@pytest.mark.parametrize("name", NAMES)
def test_the_cache_drops_nothing_and_outlives_a_node_where_it_has_another(name, templates):
    env = ENVIRONMENTS[name]
    (cache,) = of_type(templates, name, "data", "AWS::ElastiCache::ReplicationGroup")
    (parameters,) = of_type(templates, name, "data", "AWS::ElastiCache::ParameterGroup")
    assert parameters["Properties"]["Properties"] == {"maxmemory-policy": "noeviction"}
    properties = cache["Properties"]
    assert properties["NumCacheClusters"] == 1 + env.cache_replicas
    assert properties["MultiAZEnabled"] is properties["AutomaticFailoverEnabled"] is bool(env.cache_replicas)
    assert bool(properties["SnapshotRetentionLimit"]) == env.protected


@pytest.mark.parametrize("name", NAMES)
def test_users_files_are_private_encrypted_and_kept_a_while_after_they_were_deleted(name, templates):
    data = resources(templates, name, "data")
    files = data["files6F97A25D"]["Properties"]
    assert set(files["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = files["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": ["keyFEDD6EC0", "Arn"]}
    (lifecycle,) = files["LifecycleConfiguration"]["Rules"]
    assert files["VersioningConfiguration"] == {"Status": "Enabled"}
    assert lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 2}


@pytest.mark.parametrize("name", NAMES)
def test_an_images_tag_stays_what_it_is_and_the_last_thirty_are_kept(name, templates):
    for repository in of_type(templates, name, "registry", "AWS::ECR::Repository"):
        properties = repository["Properties"]
        assert properties["ImageTagMutability"] == "IMMUTABLE"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert '"countNumber":30' in properties["LifecyclePolicy"]["LifecyclePolicyText"]


@pytest.mark.parametrize("name", NAMES)
def test_images_go_with_their_registry_where_nothing_is_protected(name, templates):
    found = of_type(templates, name, "registry", "AWS::ECR::Repository")
    emptied = {each["Properties"].get("EmptyOnDelete", False) for each in found}
    assert emptied == {not ENVIRONMENTS[name].protected}


def test_prod_alone_cannot_be_deleted_by_a_slip(platforms):
    guarded = {name: {stack.termination_protection for stack in it.stacks[:3]} for name, it in platforms.items()}
    assert guarded == {"dev": {False}, "staging": {False}, "prod": {True}}


def test_templates_module_finds_what_another_stack_refers_to(templates):
    known = Templates(ENVIRONMENTS["prod"], templates["prod"])
    ((place, cache),) = known.of_type("AWS::ElastiCache::ReplicationGroup")
    (group,) = cache["SecurityGroupIds"]
    assert known.target(place.stack, group) == ("network", "cache08DE9BE4")
