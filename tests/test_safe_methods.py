"""A GET changes nothing: pages of others can make a browser send one (RFC 9110, 9.2.1)."""

from typing import Any

from accounts.audit.recording import settle_audit
from accounts.mail.delivery import settle_mail
from tests.accounts.personal_data.conftest import everything
from tests.chat.conftest import LanguageModel, ann, model  # noqa: F401 - fixtures
from tests.people import Person
from tests.test_ownership import OPERATIONS, SIGNED, objects_of, status_and_code

# That somebody read an export is put on record.
RECORDED = {"read_export_content": {"audit", "audit_head"}}
# At a provider: what begins there and comes back is a browser's journey, guarded by a cookie and a state of its own.
JOURNEYS = {"start_openid_sign_in", "finish_openid_sign_in"}
# The beat of jobs and devices, which nobody's request makes.
BEATS = {"lease_expires_at", "last_seen_at", "expires_at"}


async def test_no_get_changes_anything(ann: Person, model: LanguageModel) -> None:  # noqa: F811
    objects = await objects_of(ann, model, "read_export")
    await ann.ok("POST", f"/runs/{objects['run_id']}/stop")
    await ann.at_rest(objects["run_id"])
    await settle_mail()
    await settle_audit()
    gets = [each for each in OPERATIONS if each[0] == "GET" and each[2] not in SIGNED | JOURNEYS]
    assert len(gets) > 25
    changed: dict[str, set[str]] = {}
    for method, path, operation in gets:
        before = await _standing()
        status, _ = await status_and_code(ann, method, path.format(**objects), operation)
        assert status < 500
        after = await _standing()
        if different := {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}:
            changed[operation] = different
    assert changed == RECORDED


async def _standing() -> dict[str, Any]:
    """All that is in the database, but what the beat of jobs moves."""
    return {
        name: [{column: value for column, value in row.items() if column not in BEATS} for row in rows]
        for name, rows in (await everything()).items()
    }
