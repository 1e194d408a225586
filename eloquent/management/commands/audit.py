"""`manage.py audit verify | export | head`: the record of what happened, checked and handed on."""

import hmac
import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from typing import Any, Final

import orjson
from django.core.management.base import BaseCommand, CommandError

from accounts.audit.chain import Verification
from accounts.audit.entries import AuditEntry, AuditHead
from accounts.audit.recording import KEY_PURPOSE
from accounts.models import AuditEntry as Entries
from accounts.models import AuditHead as Heads
from eloquent.foundation.sealing import derived_keys

_MOST_FAULTS_SHOWN: Final = 100
_NOTED: Final = re.compile(r"(\d{1,15}):([0-9a-f]{64})")


class Command(BaseCommand):
    """Reads the audit from its beginning, in order."""

    help = "Check the audit's chain, write it as JSON lines, or print where it ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Three acts, of which none writes anything into the database."""
        actions = parser.add_subparsers(dest="action", required=True)
        verify = actions.add_parser("verify", help="find entries that were changed, are missing or were put in")
        verify.add_argument(
            "--head", type=_noted, help="a head that `audit head` printed earlier and that was kept elsewhere"
        )
        export = actions.add_parser("export", help="write the entries as JSON lines, oldest first")
        export.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only entries behind this number")
        actions.add_parser("head", help="print where the chain ends now, to be kept where nobody here can write")

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        """`verify` ends with an error when anything was changed; the others print, and judge nothing."""
        del args
        if action == "verify":
            self._verify(options["head"])
        elif action == "export":
            for entry in _entries(after=options["after"]):
                self.stdout.write(exported(entry))
        else:
            head = _head()
            self.stdout.write("0:" + "0" * 64 if head is None else f"{head.number}:{head.hash}")

    def _verify(self, noted: tuple[int, str] | None) -> None:
        verification = Verification(derived_keys(KEY_PURPOSE))
        head = _head()  # before the entries: those that are added meanwhile lie behind it
        faults = 0
        for entry in _entries():
            for fault in verification.read(entry):
                faults += 1
                self._say(faults, fault.number, fault.what)
            if noted is not None and entry.number == noted[0] and not hmac.compare_digest(entry.hash, noted[1]):
                faults += 1
                self._say(faults, entry.number, "another entry than the one whose head was noted")
        for fault in verification.end(head, noted=noted):
            faults += 1
            self._say(faults, fault.number, fault.what)
        if faults:
            raise CommandError(f"{faults} {'fault' if faults == 1 else 'faults'} in {verification.entries} entries.")
        self.stdout.write(f"{verification.entries} entries, none changed and none missing.")

    def _say(self, faults: int, number: int, what: str) -> None:
        if faults <= _MOST_FAULTS_SHOWN:
            self.stderr.write(f"Entry {number}: {what}.")
        elif faults == _MOST_FAULTS_SHOWN + 1:
            self.stderr.write("More follow.")


def exported(entry: AuditEntry) -> str:
    """The entry as one line of JSON: its fields, `facts` and `private` opened; times in ISO 8601."""
    line = {
        "number": entry.number,
        "at": entry.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "action": entry.action,
        "actor_id": _hex(entry.actor_id),
        "subject_id": _hex(entry.subject_id),
        "target": entry.target,
        "request_id": entry.request_id,
        "facts": _opened(entry.facts),
        "private": _opened(entry.private),
        "private_digest": entry.private_digest,
        "key_id": entry.key_id,
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }
    return orjson.dumps(line).decode()


def _opened(text: str) -> Any:
    try:
        return orjson.loads(text) if text else None
    except orjson.JSONDecodeError:
        return text  # somebody changed it: it is shown as it is


def _hex(value: Any) -> str | None:
    return None if value is None else str(value)


def _entries(after: int = 0) -> Iterator[AuditEntry]:
    names = AuditEntry.__struct_fields__
    rows = Entries.objects.filter(number__gt=after).order_by("number", "pk").iterator(chunk_size=1000)
    for row in rows:
        yield AuditEntry(**{name: getattr(row, name) for name in names})


def _head() -> AuditHead | None:
    row = Heads.objects.filter(pk="head").first()
    names = AuditHead.__struct_fields__
    return None if row is None else AuditHead(**{name: getattr(row, name) for name in names})


def _noted(text: str) -> tuple[int, str]:
    match = _NOTED.fullmatch(text)
    if match is None:
        raise ArgumentTypeError("it is a number, a colon and 64 hex digits, as `audit head` prints it")
    return int(match[1]), match[2]
