"""Settings of what operators see of a running process: traces, metrics, reports of crashes."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from eloquent.foundation import formats
from eloquent.foundation.config.types import HttpUrl, checked_secret

Share = Annotated[float, Field(ge=0, le=1)]


class ObservingSettings(BaseModel, frozen=True):
    """Where traces, metrics and crashes are sent. All of it is off unless it is set."""

    otel_exporter_otlp_endpoint: HttpUrl | None = Field(
        None,
        description="collector of traces, OTLP over HTTP, such as http://127.0.0.1:4318; without it there are none",
    )
    otel_service_name: str = Field(
        "eloquent", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="what this service is called in traces and metrics"
    )
    trace_share_answers: Share = Field(
        0.1, description="of the requests that ask a language model, the share that is traced, 0 to 1"
    )
    trace_share_others: Share = Field(
        0.05, description="of all other requests, the share that is traced, 0 to 1; health checks never are"
    )
    metrics_format: Literal["off", "emf"] = Field(
        "off", description="off, or emf: lines on stdout that CloudWatch Logs turns into metrics"
    )
    metrics_period_s: float = Field(15.0, ge=0.1, le=60, description="seconds between two lines of metrics")
    sentry_dsn: Annotated[SecretStr, checked_secret(formats.sentry_dsn)] | None = Field(
        None, description="where unexpected failures are reported to, a DSN of Sentry; without it they are only logged"
    )
    eloquent_release: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.@+-]{0,128}$",
        description="the version that runs, as its image is called; named in traces and reports",
    )
