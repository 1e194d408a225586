"""What can go wrong between us and a language model, each with a sentence for the person who asked.

    EloquentError
    └── InferenceError               502  inference_failed
        ├── ModelNotOffered          422  model_not_offered      no such model in the catalog
        ├── NoModelAvailable         503  no_model_available     nothing is configured, or nothing answers
        ├── ModelUnreachable         503  model_unreachable      no connection, or it ended before a status line
        ├── ModelAtRest              503  model_at_rest          it failed too often and is left alone for some seconds
        ├── ModelBusy                503  model_busy             its queue is full or we are rate limited (Retry-After)
        ├── ModelTimeout             504  model_timeout          silent for too long, or the answer took too long
        ├── ModelMissing             503  model_missing          the server no longer has the model
        ├── ModelAccessDenied        502  model_access_denied    our key, address or plan was refused
        ├── PromptRejected           422  prompt_rejected        the server would not take this request
        │   └── PromptTooLong        422  prompt_too_long        it does not fit the context window
        ├── BudgetSpent              429  budget_spent           in `inference.billing.errors`
        ├── ModelFailed              502  model_failed           an error of the server, before or inside the answer
        └── AnswerCutOff             502  answer_cut_off         the stream ended without saying that it was complete

The server's own words are on `__cause__` (a `VendorError`) for the log. They are never part of the sentence: they name
hosts, paths and accounts.
"""

import math

from eloquent.foundation.errors import EloquentError


class VendorError(Exception):
    """What a model server said, kept for the log. `text` is cut to 2,000 characters; `status` is HTTP's.

    `retry_after_s` is when the server itself wants to be asked again; None when it did not say.
    """

    def __init__(self, text: str, *, status: int | None = None, retry_after_s: float | None = None) -> None:
        self.text = text[:2000]
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(self.text if status is None else f"{status}: {self.text}")


class InferenceError(EloquentError):
    """Any failure to get an answer from a language model."""

    code = "inference_failed"
    status = 502


class ModelNotOffered(InferenceError):
    """The catalog has no model with this id."""

    code = "model_not_offered"
    status = 422

    def __init__(self, model: str) -> None:
        super().__init__(f"The model “{model[:100]}” is not offered here. Choose one from the list of models.")


class NoModelAvailable(InferenceError):
    """There is no language model at all: none configured, or none of the servers answers."""

    code = "no_model_available"
    status = 503

    def __init__(self) -> None:
        super().__init__("No language model is available right now. Try again in a minute.", retry_after_s=60)


class ModelUnreachable(InferenceError):
    """No connection could be made, or it ended before the answer's first byte."""

    code = "model_unreachable"
    status = 503

    def __init__(self, model: str) -> None:
        super().__init__(f"The server of {model} cannot be reached. Try again in a minute.", retry_after_s=60)


class ModelAtRest(InferenceError):
    """The server failed again and again, and is not asked until it has had a rest. See `inference.breaker`."""

    code = "model_at_rest"
    status = 503

    def __init__(self, model: str, *, retry_after_s: float) -> None:
        waits_s = max(1, math.ceil(retry_after_s))
        super().__init__(
            f"The server of {model} has failed several times. Try again in {waits_s} s, or choose another model.",
            retry_after_s=waits_s,
        )


class ModelBusy(InferenceError):
    """The server refuses more work for now, or (`asked` False) our own queue in front of it is full."""

    code = "model_busy"
    status = 503

    def __init__(self, model: str, *, retry_after_s: float = 5, asked: bool = True) -> None:
        super().__init__(f"{model} is busy. Try again in {retry_after_s:.0f} s.", retry_after_s=retry_after_s)
        self.asked = asked


class ModelTimeout(InferenceError):
    """One of the waits for a model was too long. `extra["waited_s"]` says how long it was."""

    code = "model_timeout"
    status = 504

    def __init__(self, model: str, *, what: str, waited_s: float) -> None:
        super().__init__(f"{model} {what} {waited_s:.0f} s. Try again, or choose another model.", waited_s=waited_s)


class ModelMissing(InferenceError):
    """The catalog offered it, but its server does not have it (any more)."""

    code = "model_missing"
    status = 503

    def __init__(self, model: str) -> None:
        super().__init__(f"The model {model} is no longer on its server. Choose another model.")


class ModelAccessDenied(InferenceError):
    """The server refuses this installation: the operator must act, not the person who asked."""

    code = "model_access_denied"
    status = 502

    def __init__(self, model: str) -> None:
        super().__init__(f"The server of {model} refused access. Tell the people who run this service.")


class PromptRejected(InferenceError):
    """The server found the request itself wrong: sending it again will not help."""

    code = "prompt_rejected"
    status = 422

    def __init__(self, model: str, sentence: str | None = None) -> None:
        super().__init__(
            sentence or f"{model} cannot answer this request as it is. Change it, or choose another model."
        )


class PromptTooLong(PromptRejected):
    """The conversation and the room for the answer do not fit the model's context window."""

    code = "prompt_too_long"

    def __init__(self, model: str) -> None:
        super().__init__(model, f"This conversation is too long for {model}. Shorten it, or start a new one.")


class ModelFailed(InferenceError):
    """The server failed, or wrote something that is not its format."""

    code = "model_failed"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} failed while it worked on the answer. Try again.")


class AnswerCutOff(InferenceError):
    """The stream ended without its end mark. The events so far are good, and the caller keeps them."""

    code = "answer_cut_off"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} stopped in the middle of its answer. Try again.")
