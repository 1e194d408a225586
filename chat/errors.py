"""Expected failures of the chat domain, below `eloquent.foundation.errors`."""

from collections.abc import Sequence
from typing import ClassVar

from eloquent.foundation.errors import Conflict, EloquentError, InvalidInput, Throttled, Unavailable


class BranchIsBusy(Conflict):
    """An answer on this branch is still being written."""

    code = "branch_busy"
    sentence = "An answer is still being written here. Wait for it or stop it."


class ParentUnknown(InvalidInput):
    """`parent_id` names no message of this conversation that can be answered."""

    code = "parent_unknown"
    sentence = "The message to go on from is not in this conversation."


class NotAQuestion(InvalidInput):
    """What is to be edited is an answer."""

    code = "not_a_question"
    sentence = "Only a message of yours can be edited."


class NotAnAnswer(InvalidInput):
    """What is to be answered anew, or judged, is the user's own message."""

    code = "not_an_answer"
    sentence = "This can be done with an answer only."


class MessageTooLong(InvalidInput):
    """The message alone is larger than the language model's window. Cutting it would answer another question."""

    code = "message_too_long_for_model"

    def __init__(self, *, tokens: int, window: int) -> None:
        super().__init__(
            f"This message is too long for the language model: about {tokens} tokens, where {window} fit. "
            "Shorten it, or choose a model with a larger window.",
            tokens=tokens,
            window=window,
        )


class KeyUsedElsewhere(InvalidInput):
    """The idempotency key started a run in another conversation: answering with that one would lose this message."""

    code = "idempotency_key_used"
    sentence = "This Idempotency-Key was used in another conversation. Send a new one."


class BeingBegun(Unavailable):
    """The run of the same idempotency key is neither written nor, its worker being lost, removed yet."""

    code = "being_begun"
    sentence = "This request came before and is being taken up. Send it again in a moment."


class TooManyRuns(Throttled):
    """The user has as many answers in the making as are allowed at once."""

    code = "too_many_runs"
    sentence = "You have many answers in the making. Wait for one to finish."


class TooManyCompletions(Throttled):
    """The user's programs have as many completions in the making as are allowed at once."""

    code = "rate_limit_exceeded"
    sentence = "You have many completions in the making. Wait for one to finish."


class BadCompletionRequest(InvalidInput):
    """A completion request that cannot be read, or asks for what we cannot serve.

    Args:
        detail: the sentence.
        reason: OpenAI's code for it.
        param: the field that is wrong, as `messages[0].content`; None when it is the whole body.
    """

    def __init__(self, detail: str, *, reason: str, param: str | None = None) -> None:
        super().__init__(detail)
        self.reason = reason
        self.param = param


class Draining(Unavailable):
    """The process is shutting down and takes no new runs."""

    code = "draining"
    sentence = "The service is being updated. Try again in a moment."


class JournalAway(Unavailable):
    """Redis is away: an answer begun now could be neither resumed nor stopped from another process."""

    code = "journal_away"
    sentence = "No answer can be started at this moment. Try again in a few seconds."


class StreamBroke(Unavailable):
    """What a socket was reading broke off without its end: its worker's log is out of reach, or the reader too slow."""

    code = "stream_cut"
    sentence = "The stream broke off. Resume it."


class AnswerInterrupted(EloquentError):
    """The worker of a run was lost or shut down before the answer was whole. What was written is kept."""

    code: ClassVar[str] = "interrupted"
    status: ClassVar[int] = 503
    sentence: ClassVar[str] = "The answer was interrupted. What was written is kept."


class TooManyImports(Conflict):
    """The user has as many unfinished imports as are allowed."""

    code = "too_many_imports"
    sentence = "Two imports are unfinished. Wait for one, or cancel it."


class ImportOffset(Conflict):
    """The bytes do not begin where the received ones end, or none are awaited. `received` says where to go on."""

    code = "import_offset"

    def __init__(self, received: int, status: str) -> None:
        super().__init__(
            f"The import is {status} and has {received:,} bytes. Go on from there.",
            received=received,
            import_status=status,
        )


class NothingToApprove(Conflict):
    """No call of the answer waits for the user's agreement: it was decided already, or there never was one."""

    code = "nothing_to_approve"
    sentence = "Nothing in this answer waits for your agreement any more."


class ApprovalsMissing(InvalidInput):
    """Some of the calls that wait were not decided about. `missing` are the ids of the questions."""

    code = "approvals_missing"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("Decide about every call that waits for your agreement.", missing=list(missing))


class ConversationWentOn(Conflict):
    """The answer waited for the user's agreement, and the user has written something else behind it."""

    code = "conversation_went_on"
    sentence = "The conversation went on without these calls. Ask again to have them made."


class ToolNotOffered(EloquentError):
    """There is no such tool, or it is not for this user."""

    code = "tool_not_offered"
    status = 422

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no tool “{name[:100]}” here. Choose from the list of tools.")


class ModelWithoutTools(EloquentError):
    """The language model cannot call tools."""

    code = "model_without_tools"
    status = 422

    def __init__(self, model: str) -> None:
        super().__init__(f"{model[:100]} cannot call tools. Choose another model, or ask without tools.")
