"""What is wrong with a configuration, as sentences for whoever starts the process."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One setting that cannot be used. `found` is masked where the setting is secret."""

    name: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.name}: found {self.found}; expected {self.expected}"


class ConfigFaults(Exception):
    """The configuration cannot be used; `faults` has all that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("The configuration has faults:\n" + "\n".join(f"  {fault}" for fault in faults))
