"""What the containers of the application's image run. Pure; the rehearsals start the same."""

from typing import Final

from eloquent.foundation.timeout_chain import SERVER_KEEP_ALIVE_S

SERVE: Final = ("python", "-m", "eloquent.serving.web_server", "--tls", "--keep-alive", str(SERVER_KEEP_ALIVE_S))
"""Where it listens and with how many workers, HOST, PORT and WORKERS say."""

ALIVE: Final = ("python", "-m", "eloquent.serving.probe", "--tls")
"""0 when the server of the same container answers."""

MIGRATE: Final = ("python", "manage.py", "migrate_once")
"""Any number of them take turns, so that a pipeline that is started twice harms nothing."""
