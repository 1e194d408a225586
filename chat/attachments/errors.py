"""Expected failures of attached files, below `eloquent.foundation.errors`."""

from eloquent.foundation.errors import Conflict, Forbidden, InvalidInput, Unavailable


class AttachmentEmpty(InvalidInput):
    """The file has no bytes, or is a text of nothing but spaces."""

    code = "attachment_empty"
    sentence = "This file is empty."


class AttachmentKindUnknown(InvalidInput):
    """By its bytes the file is nothing that is taken."""

    code = "attachment_kind_unknown"
    sentence = "Pictures (PNG, JPEG, GIF, WebP) and texts in UTF-8 can be attached. This file is neither."


class AttachmentBroken(InvalidInput):
    """The picture was cut off, or is not put together as its format says."""

    code = "attachment_broken"
    sentence = "This picture cannot be read: it is incomplete or damaged."


class AttachmentTooManyPixels(InvalidInput):
    """Unpacked, the picture would be larger than is allowed."""

    code = "attachment_too_many_pixels"

    def __init__(self, width: int, height: int, *, most: int) -> None:
        super().__init__(
            f"This picture is too large: {width:,} x {height:,} pixels, where {most:,} in all are allowed.",
            width=width,
            height=height,
        )


class AttachmentKindDiffers(InvalidInput):
    """The Content-Type says something else than the bytes."""

    code = "attachment_kind_differs"

    def __init__(self, media_type: str) -> None:
        super().__init__(
            f"The Content-Type is not what the file is ({media_type}). Send that one, or application/octet-stream, "
            "and the file alone as the body.",
            media_type=media_type,
        )


class TooMuchUnsent(Conflict):
    """The user has attached as much as is allowed and not sent it yet."""

    code = "too_much_unsent"
    sentence = "You have attached much that was not sent yet. Send it, or delete some of it."


class AttachmentsFull(Conflict):
    """The user has as many bytes of files in conversations as is allowed."""

    code = "attachments_full"
    sentence = "Your conversations hold as many files as is allowed. Delete some of them to attach more."


class AttachmentSent(Conflict):
    """It was sent with a message, and is deleted with the conversation."""

    code = "attachment_sent"
    sentence = "This file was sent with a message. It is deleted with its conversation."


class AttachmentUnknown(InvalidInput):
    """A message names a file that cannot be sent with it."""

    code = "attachment_unknown"
    sentence = (
        "A file of this message is not there: it was deleted, was not sent within a day, or belongs to another "
        "conversation. Attach it again."
    )


class FileNotOurs(InvalidInput):
    """A file part's address is not one of an attachment."""

    code = "file_not_attached"
    sentence = (
        "A file is sent by the address of an attachment. Upload it first (POST /api/v1/attachments); other addresses "
        "and data: URLs are not fetched."
    )


class AttachmentsTooLarge(InvalidInput):
    """The pictures of one message are more bytes than a language model is sent."""

    code = "attachments_too_large"

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"The pictures of a message have at most {most:,} bytes together. Send fewer, or smaller ones."
        )


class ModelCannotSee(InvalidInput):
    """The message has pictures, and the language model takes none."""

    code = "model_cannot_see"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} cannot see pictures. Choose a model that can, or send the message without them.")


class LinkExpired(Forbidden):
    """The signature in the address is too old, or none of ours."""

    code = "link_expired"
    sentence = "This address is not valid any more. Ask for the attachment again to get a new one."


class StorageAway(Unavailable):
    """Where the files lie does not answer."""

    code = "storage_away"
    sentence = "Attached files are out of reach at the moment. Try again in a few seconds."
