"""Templates that our rules are against, by the rule and what is wrong; and a few that look like it and are right.

Each name begins with its rule's. They are judged as prod, where data is protected.
"""

from deploy.environments import PROD

OURS = f"{PROD.account}.dkr.ecr.{PROD.region}.amazonaws.com/eloquent/api:1"


def _resource(kind, **properties):
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _task(**changes):
    container = {"Name": "api", "Image": OURS, "ReadonlyRootFilesystem": True, "User": "10001", **changes}
    definition = {name: value for name, value in container.items() if value is not None}
    return {"task": _resource("ECS::TaskDefinition", ContainerDefinitions=[definition])}


def _rights(**statement):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return {"policy": _resource("IAM::Policy", PolicyName="some", PolicyDocument=document, Roles=["somebody"])}


def _of_thing(kind, name, principal, **more):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "*", **more}
    return {"policy": _resource(kind, **{name: {"Version": "2012-10-17", "Statement": [statement]}, "Bucket": "some"})}


def _cache(**properties):
    cache = _resource("ElastiCache::ReplicationGroup", ReplicationGroupDescription="some", **properties)
    return {"cache": cache | {"DeletionPolicy": "Snapshot", "UpdateReplacePolicy": "Snapshot"}}


def _distribution(version, behavior):
    config = {
        "Enabled": True,
        "Origins": [{"Id": "some", "DomainName": "example.org"}],
        "DefaultCacheBehavior": {"TargetOriginId": "some", "ViewerProtocolPolicy": behavior},
        "ViewerCertificate": {"MinimumProtocolVersion": version, "AcmCertificateArn": "arn:aws:acm:::certificate/1"},
    }
    return {"cdn": _resource("CloudFront::Distribution", DistributionConfig=config)}


def _kept(kind, deletion, replacement, **properties):
    return {"kept": _resource(kind, **properties) | {"DeletionPolicy": deletion, "UpdateReplacePolicy": replacement}}


BAD = {
    "ELQ-001-an-image-from-elsewhere": _task(Image="public.ecr.aws/aws-observability/aws-otel-collector:v1"),
    "ELQ-001-an-image-of-another-account": _task(Image=OURS.replace(PROD.account, "123456789012")),
    "ELQ-001-an-image-that-nobody-can-tell": _task(Image={"Fn::ImportValue": "elsewhere"}),
    "ELQ-002-a-door-from-everywhere": {
        "door": _resource("EC2::SecurityGroupIngress", GroupId="sg-1", IpProtocol="-1", CidrIp="0.0.0.0/0")
    },
    "ELQ-002-a-door-from-everywhere-in-its-group": {
        "group": _resource(
            "EC2::SecurityGroup",
            GroupDescription="some",
            SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "CidrIpv6": "::/0"}],
        )
    },
    "ELQ-002-a-public-subnet": {
        "subnet": _resource("EC2::Subnet", VpcId="vpc-1", CidrBlock="10.0.0.0/24", MapPublicIpOnLaunch=True)
    },
    "ELQ-002-a-public-task": {
        "service": _resource(
            "ECS::Service",
            NetworkConfiguration={"AwsvpcConfiguration": {"Subnets": ["subnet-1"], "AssignPublicIp": "ENABLED"}},
        )
    },
    "ELQ-002-a-public-host": {
        "hosts": _resource(
            "EC2::LaunchTemplate",
            LaunchTemplateData={"NetworkInterfaces": [{"DeviceIndex": 0, "AssociatePublicIpAddress": True}]},
        )
    },
    "ELQ-002-a-public-balancer": {
        "balancer": _resource("ElasticLoadBalancingV2::LoadBalancer", Scheme="internet-facing")
    },
    "ELQ-002-a-balancer-that-does-not-say": {
        "balancer": _resource("ElasticLoadBalancingV2::LoadBalancer", Name="some")
    },
    "ELQ-003-everything": _rights(Action="*", Resource="arn:aws:s3:::some"),
    "ELQ-003-everything-of-a-service": _rights(Action=["s3:*"], Resource="arn:aws:s3:::some"),
    "ELQ-003-with-everything": _rights(Action=["s3:GetObject"], Resource="*"),
    "ELQ-003-with-everything-beside-what-may": _rights(
        Action=["xray:PutTraceSegments", "kms:Decrypt"], Resource=["*", "arn:aws:s3:::some"]
    ),
    "ELQ-003-everything-but": _rights(NotAction=["iam:CreateUser"], Resource="arn:aws:s3:::some"),
    "ELQ-003-inside-a-role": {
        "role": _resource(
            "IAM::Role",
            AssumeRolePolicyDocument={"Version": "2012-10-17", "Statement": []},
            Policies=[
                {
                    "PolicyName": "some",
                    "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}},
                }
            ],
        )
    },
    "ELQ-003-a-bucket-for-everybody": _of_thing("S3::BucketPolicy", "PolicyDocument", "*"),
    "ELQ-003-a-bucket-for-everybody-of-aws": _of_thing("S3::BucketPolicy", "PolicyDocument", {"AWS": "*"}),
    "ELQ-004-logs-for-ever": {"logs": _resource("Logs::LogGroup", LogGroupName="/some")},
    "ELQ-005-a-secret-that-goes-with-its-stack": _kept("SecretsManager::Secret", "Delete", "Retain", Name="some"),
    "ELQ-005-a-key-that-goes-when-replaced": _kept("KMS::Key", "Retain", "Delete", KeyPolicy={"Statement": []}),
    "ELQ-005-a-registry-that-does-not-say": {"kept": _resource("ECR::Repository", RepositoryName="some")},
    "ELQ-006-a-cache-in-plain": _cache(TransitEncryptionEnabled=False, AtRestEncryptionEnabled=True),
    "ELQ-006-a-cache-that-does-not-say": _cache(TransitEncryptionEnabled=True),
    "ELQ-006-a-bucket-in-plain": {"bucket": _resource("S3::Bucket", BucketName="some-bucket")},
    "ELQ-006-a-listener-in-plain": {
        "listener": _resource("ElasticLoadBalancingV2::Listener", Protocol="HTTP", Port=80, DefaultActions=[])
    },
    "ELQ-006-a-listener-of-old": {
        "listener": _resource(
            "ElasticLoadBalancingV2::Listener",
            Protocol="HTTPS",
            Port=443,
            SslPolicy="ELBSecurityPolicy-2016-08",
            DefaultActions=[],
        )
    },
    "ELQ-006-an-application-asked-in-plain": {
        "group": _resource("ElasticLoadBalancingV2::TargetGroup", Protocol="HTTP", HealthCheckProtocol="HTTPS")
    },
    "ELQ-006-a-health-asked-in-plain": {
        "group": _resource("ElasticLoadBalancingV2::TargetGroup", Protocol="HTTPS", HealthCheckProtocol="HTTP")
    },
    "ELQ-006-a-distribution-of-old": _distribution("TLSv1.1_2016", "https-only"),
    "ELQ-006-a-distribution-of-2019": _distribution("TLSv1.2_2019", "https-only"),
    "ELQ-006-a-distribution-in-plain": _distribution("TLSv1.2_2021", "allow-all"),
    "ELQ-007-files-that-change": _task(ReadonlyRootFilesystem=None),
    "ELQ-007-nobody-named": _task(User=None),
    "ELQ-007-root": _task(User="0:0"),
    "ELQ-007-privileged": _task(Privileged=True),
    "ELQ-007-a-secret-in-plain": _task(Environment=[{"Name": "OPENAI_API_KEY", "Value": "some"}]),
    "ELQ-007-an-address-with-its-password": _task(Environment=[{"Name": "MONGODB_URI", "Value": "some"}]),
}

GOOD = {
    "good-task": _task(Environment=[{"Name": "ELOQUENT_ENV", "Value": "prod"}]),
    "good-rights": _rights(Action=["xray:PutTraceSegments", "ecr:GetAuthorizationToken"], Resource="*"),
    "good-narrow-rights": _rights(Action="s3:GetObject", Resource="arn:aws:s3:::some/*"),
    "good-policy-with-a-condition": _of_thing(
        "S3::BucketPolicy", "PolicyDocument", "*", Condition={"StringEquals": {"aws:PrincipalAccount": "1"}}
    ),
    "good-cache": _cache(TransitEncryptionEnabled=True, AtRestEncryptionEnabled=True),
    "good-distribution": _distribution("TLSv1.2_2021", "redirect-to-https"),
    "good-later-distribution": _distribution("TLSv1.3_2025", "https-only"),
    "good-listener": {
        "listener": _resource(
            "ElasticLoadBalancingV2::Listener",
            Protocol="HTTPS",
            Port=443,
            SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            DefaultActions=[],
        )
    },
}
