"""`manage.py jwt`: the keys that sign access tokens, changed without signing anybody out."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from accounts.key_rotation import KeyLine, KeyUnknown, RotationUnderWay, key_lines, revoke_key, rotate_key
from accounts.key_schedule import JWKS_KEPT_S, PUBLISHED_FOR

_LONGEST_S: Final = 30 * 24 * 3600


class Command(BaseCommand):
    """Every server process learns of a change within seconds; none is started anew."""

    help = "Rotate, list or revoke the keys that sign access tokens."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Three acts. A new key is published before it signs, unless `--now` is given."""
        acts = parser.add_subparsers(dest="act", required=True, metavar="rotate|list|revoke")
        rotate = acts.add_parser("rotate", help="make a new key, which takes over from the one that signs")
        when = rotate.add_mutually_exclusive_group()
        default_s = int(PUBLISHED_FOR.total_seconds())
        when.add_argument(
            "--after",
            type=_seconds,
            default=default_s,
            metavar="SECONDS",
            help=f"how long it is published before it signs ({default_s}): other programs may keep the public keys "
            f"for {JWKS_KEPT_S} s",
        )
        when.add_argument("--now", dest="after", action="store_const", const=0, help="sign with it at once")
        acts.add_parser("list", help="the keys, and what each is good for")
        revoke = acts.add_parser("revoke", prefix_chars="+", help="refuse every token of a key that is known to others")
        revoke.add_argument("kid", help="its id, as `list` shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        """What was done, or the keys, is printed; an unknown key or a rotation under way is an error."""
        del args
        try:
            if options["act"] == "rotate":
                self._rotate(options["after"])
            elif options["act"] == "revoke":
                self._revoke(options["kid"])
            else:
                self._list()
        except (KeyUnknown, RotationUnderWay) as error:
            raise CommandError(str(error)) from error

    def _rotate(self, after_s: int) -> None:
        made = rotate_key(published_for=timedelta(seconds=after_s))
        self.stdout.write(f"Key {made.kid} signs from {_shown(made.signs_from)}.")

    def _revoke(self, kid: str) -> None:
        successor = revoke_key(kid)
        if successor is not None:
            self.stdout.write(f"Key {successor.kid} signs from now on.")
        self.stdout.write(
            f"Key {kid} is revoked: its tokens are refused within seconds, and refreshed by their owners."
        )

    def _list(self) -> None:
        header = ("key", "state", "from", "made", "signs from", "verifies until")
        rows = [header, *(_cells(line) for line in key_lines())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _seconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _LONGEST_S:
        raise ArgumentTypeError(f"{text!r}: whole seconds are expected, at most {_LONGEST_S}")
    return int(text)


def _cells(line: KeyLine) -> tuple[str, ...]:
    times = (_shown(line.created_at), _shown(line.signs_from), _shown(line.retires_at))
    return line.kid, line.state.value, line.source, *times


def _shown(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "-"
