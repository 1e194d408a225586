"""The workflows: what may happen in them, in which order, and with whose rights. Each rule is seen red on a fault."""

import os
import re
import subprocess
import sys

import pytest

from deploy.environments import ENVIRONMENTS
from deploy.place import place_of
from deploy.tests.workflow_rules import (
    ACTIONS,
    NAMES,
    ORDER,
    ROOT,
    WORKFLOWS,
    actionlint,
    cdk_options_that_cdk_does_not_know,
    credentials_that_stay,
    expressions_in_scripts,
    jobs_of,
    order,
    parsed,
    rights,
    steps_of,
    text_of,
    unknown_commands,
    unpinned,
    zizmor,
)


@pytest.fixture
def broken(tmp_path):
    """A copy of the workflows in which one text stands for another."""

    def make(name, old, new):
        copy = tmp_path / ".github" / "workflows"
        copy.mkdir(parents=True)
        (copy.parent / "zizmor.yml").write_text((WORKFLOWS.parent / "zizmor.yml").read_text())
        for each in NAMES:
            (copy / f"{each}.yml").write_text(text_of(each))
        text = text_of(name)
        assert old in text, "the fault is planted"
        (copy / f"{name}.yml").write_text(text.replace(old, new))
        return copy / f"{name}.yml"

    return make


def test_these_are_all_workflows():
    assert sorted(path.stem for path in WORKFLOWS.iterdir()) == sorted(NAMES)


def test_zizmor_finds_nothing_dangerous():
    assert zizmor(ROOT / ".github") == set()


@pytest.mark.parametrize(
    ("name", "old", "new", "finding"),
    [
        ("ci", "persist-credentials: false", "fetch-depth: 1", "artipacked"),
        ("ci", "de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "v6", "unpinned-uses"),
        ("ci", 'run: make "$TARGET"', "run: make ${{ github.head_ref }}", "template-injection"),
        ("ci", "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("release", "permissions: {}", "permissions: write-all", "excessive-permissions"),
        ("release", "    secrets:\n", "    secrets: inherit\n    x-secrets:\n", "secrets-inherit"),
    ],
)
def test_zizmor_is_red_on(broken, name, old, new, finding):
    assert finding in zizmor(broken(name, old, new).parents[1])


def test_actionlint_finds_nothing_wrong():
    assert actionlint(*(WORKFLOWS / f"{name}.yml" for name in NAMES)) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("deploy", "steps.place.outputs.region", "steps.plaice.outputs.region"),
        ("release", "needs: [image, staging]", "needs: [image, stagging]"),
        ("rollback", "type: choice", "type: choise"),
        ("deploy", "inputs.digest", "inputs.digests"),
    ],
)
def test_actionlint_is_red_on(broken, name, old, new):
    assert actionlint(broken(name, old, new))


@pytest.mark.parametrize("name", NAMES)
def test_other_peoples_actions_are_few_and_named_by_commit(name):
    assert unpinned(text_of(name)) == []


@pytest.mark.parametrize(
    "uses",
    [
        "actions/checkout@v6",
        "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd",
        "actions/checkout@de0fac2 # v6.0.2",
        "somebody/elses@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2",
    ],
)
def test_an_action_by_a_name_that_can_move_is_seen(uses):
    assert unpinned(f"      - uses: {uses}\n")


def test_an_action_has_one_version_everywhere():
    versions = {}
    for name in NAMES:
        for action, version in re.findall(r"uses: *([\w./-]+)@(\S+ # \S+)", text_of(name)):
            versions.setdefault(action, set()).add(version)
    assert set(versions) == ACTIONS
    assert all(len(each) == 1 for each in versions.values())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_from_outside_becomes_a_script_and_no_credentials_stay(name):
    assert expressions_in_scripts(text_of(name)) == []
    assert credentials_that_stay(text_of(name)) == []


def test_an_expression_in_a_script_and_credentials_that_stay_are_seen(broken):
    text = broken("rollback", '"$TAG" = previous', '"${{ inputs.tag }}" = previous').read_text()
    assert expressions_in_scripts(text) == ["Roll back"]
    assert credentials_that_stay(text_of("ci").replace("persist-credentials: false", "fetch-depth: 0")) == ["Sources"]


def test_each_job_may_do_what_it_needs():
    reads, signs = {"contents": "read"}, {"contents": "read", "id-token": "write"}
    deploys = signs | {"packages": "read"}
    assert rights("ci") == {"make": reads}
    assert rights("image") == {"build": signs | {"packages": "write"}}
    assert rights("deploy") == {"deploy": deploys}
    assert rights("rollback") == {"rollback": signs}
    assert rights("release") == {
        "ci": reads,
        "image": signs | {"packages": "write"},
        "dev": deploys,
        "staging": deploys,
        "prod": deploys,
    }


def test_rights_for_all_jobs_are_seen():
    with pytest.raises(AssertionError, match="nothing is allowed"):
        rights("ci", text_of("ci").replace("permissions: {}", "permissions: {contents: read}"))


def test_environments_come_one_after_the_other_and_prod_last():
    jobs = jobs_of("release")
    assert [name for name in jobs if name in ENVIRONMENTS] == list(ENVIRONMENTS)
    assert {name: jobs[name].get("needs") for name in jobs} == {
        "ci": None,
        "image": "ci",
        "dev": "image",
        "staging": ["image", "dev"],
        "prod": ["image", "staging"],
    }
    for name in ENVIRONMENTS:
        assert jobs[name]["uses"] == "./.github/workflows/deploy.yml"
        assert jobs[name]["with"] == {"environment": name, "digest": "${{ needs.image.outputs.digest }}"}
    assert parsed(text_of("release"))["on"] == {"push": {"branches": ["main"]}}


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_a_job_that_touches_an_environment_is_in_it_so_that_prod_waits_for_approval(name):
    (job,) = jobs_of(name).values()
    assert job["environment"] == "${{ inputs.environment }}"
    # Both in one queue, and nothing that has begun is cancelled.
    assert job["concurrency"] == {"group": "deploy-${{ inputs.environment }}", "cancel-in-progress": False}
    assert sum("configure-aws-credentials" in step.get("uses", "") for step in job["steps"]) >= 1


def test_aws_is_asked_for_roles_by_token_and_by_no_other_job():
    for name in NAMES:
        for step in steps_of(name):
            if "configure-aws-credentials" not in step.get("uses", ""):
                continue
            assert name in {"deploy", "rollback"}
            asked = step["with"]["role-to-assume"]
            assert re.fullmatch(r"\$\{\{ steps\.place\.outputs\.(deploy|push)-role \}\}", asked)
            assert not any("key" in option for option in step["with"])
        assert "AWS_SECRET" not in text_of(name)


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_what_a_workflow_reads_of_the_place_is_what_the_place_says(name):
    read = set(re.findall(r"steps\.place\.outputs\.([\w-]+)", text_of(name)))
    assert read
    assert read <= set(place_of(ENVIRONMENTS["dev"]))


def test_only_what_image_yml_signed_on_main_for_this_commit_is_deployed():
    (verify,) = [step["run"] for step in steps_of("deploy") if "cosign verify" in step.get("run", "")]
    assert ".github/workflows/image.yml@refs/heads/main" in verify
    assert "--certificate-oidc-issuer https://token.actions.githubusercontent.com" in verify
    assert '--certificate-github-workflow-sha "$GITHUB_SHA"' in verify
    assert "regexp" not in verify
    (copied,) = [step["run"] for step in steps_of("deploy") if "skopeo copy" in step.get("run", "")]
    assert "@$DIGEST" in copied
    assert "--preserve-digests" in copied


def test_bring_up_by_hand_takes_the_same_bytes_after_asking_for_the_same_signature():
    """What it puts under a tag is what the pipeline finds there afterwards: a tag stays what it is."""

    def asked(text):
        for of_workflow, of_hand in (("$GITHUB_REPOSITORY", "$repo"), ("$GITHUB_SHA", "$IMAGE_TAG"), ('"', "")):
            text = text.replace(of_workflow, of_hand)
        return set(re.findall(r"--certificate-[\w-]+ [^\s\\]+", text)), "--all --preserve-digests" in text

    by_hand = (ROOT / "deploy" / "README.md").read_text()
    assert asked(by_hand) == asked(text_of("deploy"))
    assert re.search(r"copy --all --preserve-digests \S+/api@\$digest \S+/api:\$IMAGE_TAG$", by_hand, re.MULTILINE)
    # Nowhere is another way told.
    assert "eloquent/api:" not in (ROOT / "deploy" / "image" / "README.md").read_text()


def test_migrations_come_before_the_service_and_the_way_back_after_the_smoke_test():
    assert order(text_of("deploy")) == ORDER
    back = next(step for step in steps_of("deploy") if "deploy.rollback" in step.get("run", ""))
    assert back["if"] == "${{ failure() && steps.smoke.outcome == 'failure' }}"
    at = [back["run"].index(part) for part in ("deploy.running", '= "$IMAGE_TAG"', "deploy.rollback")]
    assert at == sorted(at)
    # What serves already is tried, too, when something behind it fails to deploy.
    named = {step["id"]: step for step in steps_of("deploy") if "id" in step}
    assert named["deploy"]["name"] == "Deploy the service and all else"
    assert named["smoke"]["if"] == "${{ success() || steps.deploy.outcome == 'failure' }}"
    base = next(step["run"] for step in steps_of("deploy") if "--exclusively" in step.get("run", ""))
    assert "-api" not in base


def test_a_service_before_its_migrations_is_seen(broken):
    text = text_of("deploy")
    (migrate,) = re.findall(r"      - name: Migrate\n.*\n", text)
    (service,) = re.findall(r"      - name: Deploy the service and all else\n(?:  .*\n)*?        run: .*\n", text)
    assert order(text.replace(migrate, "").replace(service, service + migrate)) != ORDER


def test_no_step_that_matters_may_fail_unheard():
    for name in NAMES:
        assert "continue-on-error" not in text_of(name)
        # Where a command's failure is expected, it is the one question that has no for an answer.
        assert text_of(name).count("|| true") == (1 if name == "deploy" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_workflow_calls_is_there(name):
    assert unknown_commands(text_of(name)) == set()


def test_a_command_that_is_not_there_is_seen():
    assert unknown_commands(text_of("ci").replace("audit]", "odit]")) == {"odit"}
    assert unknown_commands(text_of("deploy").replace("-m deploy.migrate", "-m deploy.migrat")) == {"deploy.migrat"}


def test_cdk_is_asked_with_options_that_it_has():
    assert cdk_options_that_cdk_does_not_know(text_of("deploy")) == set()
    assert cdk_options_that_cdk_does_not_know(text_of("deploy").replace("--method", "--methode")) == {"methode"}


def test_the_place_needs_no_packages_and_neither_does_the_smoke_test():
    bare = [sys.executable, "-I", "-S", "-c"]
    for module in ("deploy.place", "deploy.smoke"):
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {module}"
        subprocess.run([*bare, code], check=True, timeout=60, env={"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_an_environments_stacks_bear_the_names_that_the_workflow_says(name, platforms):
    (base,) = [step["run"] for step in steps_of("deploy") if "--exclusively" in step.get("run", "")]
    asked = re.findall(r'"(eloquent-[^"]*)"', base)
    assert asked
    stacks = {stack.stack_name for stack in platforms[name].stacks}
    assert {stack.replace("$ENVIRONMENT", name) for stack in asked} <= stacks
