"""A server process with other bounds than in production, for tests that cannot wait for those.

    python -m tests.survival.changed_worker SEND_TIMEOUT_S=2 --host 127.0.0.1 --port 8001

Every module of the project that has a constant of this name gets the value, also where it is a default argument.
"""

import os
import sys
from types import FunctionType

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "eloquent.settings")

OURS = ("accounts", "chat", "eloquent", "inference")


def change(name: str, value: float) -> None:
    """Give the constant this value wherever it was imported to."""
    modules = [module for key, module in list(sys.modules.items()) if key.partition(".")[0] in OURS]
    named = [module for module in modules if name in vars(module)]
    assert named, f"no module has a constant {name}"
    before = vars(named[0])[name]
    for module in named:
        setattr(module, name, value)
    for module in modules:
        for one in vars(module).values():
            for function in vars(one).values() if isinstance(one, type) else [one]:
                if isinstance(function, FunctionType) and function.__kwdefaults__:
                    _change_default(function.__kwdefaults__, name.lower(), before, value)


def _change_default(defaults: dict[str, object], name: str, before: object, value: float) -> None:
    if defaults.get(name) == before:
        defaults[name] = value


def main() -> int:
    """Load the application, change it, serve it with the options of production."""
    changes = [argument for argument in sys.argv[1:] if "=" in argument]
    sys.argv[1:] = [argument for argument in sys.argv[1:] if "=" not in argument]
    import django

    django.setup()
    from chat import consumers, runs  # noqa: F401 - loaded, to be changed
    from eloquent import handlers, lifespan  # noqa: F401 - as above
    from eloquent.foundation.telemetry import exporting  # noqa: F401 - as above
    from eloquent.serving import web_server

    for name, _, value in (argument.partition("=") for argument in changes):
        change(name, float(value))
    return web_server.main()


if __name__ == "__main__":
    sys.exit(main())
