"""`manage.py audit`: what it finds, what it writes, and where the chain ends."""

import json
from io import StringIO

import pytest
from bson import ObjectId
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.audit.actions import Action
from accounts.audit.recording import record_from_desk
from accounts.devices import Device

pytestmark = pytest.mark.django_db

PERSON = ObjectId()


@pytest.fixture
def chain() -> None:
    for number in range(6):
        record_from_desk(Action.SIGNED_IN, subject=PERSON, device=Device("192.0.2.7"), target=f"session:{number}")


def audit(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("audit", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        err.write(f"{error}\n")
    return out.getvalue(), err.getvalue()


def test_nothing_at_all_is_in_order() -> None:
    assert audit("verify") == ("0 entries, none changed and none missing.\n", "")
    assert audit("export") == ("", "")
    assert audit("verify", "--head", audit("head")[0].strip())[1] == ""


def test_a_chain_that_nobody_touched_is_in_order(chain: None) -> None:
    head = audit("head")[0].strip()
    assert audit("verify", "--head", head) == ("6 entries, none changed and none missing.\n", "")


def test_a_changed_entry_is_named(chain: None) -> None:
    connection.database.audit.update_one({"number": 3}, {"$set": {"target": "session:9"}})
    out, err = audit("verify")
    assert (out, err) == ("", "Entry 3: changed.\n1 fault in 6 entries.\n")


def test_a_missing_entry_is_named(chain: None) -> None:
    connection.database.audit.delete_one({"number": 2})
    assert audit("verify")[1].startswith("Entry 2: missing.\n")


def test_missing_entries_at_the_end_are_named_also_when_the_head_was_put_back(chain: None) -> None:
    noted = audit("head")[0].strip()
    older = connection.database.audit_head.find_one({"_id": "head"})
    record_from_desk(Action.SIGNED_OUT, subject=PERSON)
    newest = audit("head")[0].strip()
    connection.database.audit.delete_one({"number": 7})
    assert "Entry 7: missing." in audit("verify")[1]
    connection.database.audit_head.replace_one({"_id": "head"}, older)
    assert audit("verify")[1] == ""
    assert audit("verify", "--head", noted)[1] == ""
    assert "Entry 7: missing, up to 7 at least" in audit("verify", "--head", newest)[1]


def test_a_head_of_another_chain_is_found_out(chain: None) -> None:
    assert "another entry" in audit("verify", "--head", f"4:{'a' * 64}")[1]


def test_who_it_was_may_not_simply_be_taken_out(chain: None) -> None:
    connection.database.audit.update_one({"number": 3}, {"$set": {"private": ""}})
    assert "Entry 3: who it was is missing" in audit("verify")[1]
    record_from_desk(Action.ERASED, subject=PERSON)
    assert audit("verify")[1] == ""


def test_the_export_is_one_object_a_line_and_goes_on_where_it_ended(chain: None) -> None:
    lines = [json.loads(line) for line in audit("export")[0].splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[0]["action"] == "session.signed_in"
    assert lines[0]["private"]["address"] == "192.0.2.7"
    assert lines[0]["at"].endswith("Z")
    assert lines[1]["previous_hash"] == lines[0]["hash"]
    assert [json.loads(line)["number"] for line in audit("export", "--after", "4")[0].splitlines()] == [5, 6]


@pytest.mark.parametrize("head", ["", "5", "5:abc", "x:" + "a" * 64, "5:" + "é" * 64])
def test_what_is_no_head_is_refused(head: str) -> None:
    with pytest.raises((CommandError, SystemExit)):
        call_command("audit", "verify", "--head", head)
