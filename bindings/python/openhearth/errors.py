"""What the library refuses, as exceptions: one class a status, all of them HearthError."""


class HearthError(Exception):
    """Base of all errors. `status` is the library's name for the kind of fault ("usage", "not_found", ...)."""

    status = "internal"


class UsageError(HearthError, ValueError):
    """The call makes no sense: an argument, an option's value."""

    status = "usage"


class BadInputError(HearthError, ValueError):
    """A file, text or JSON from outside is at fault."""

    status = "bad_input"


class NotFoundError(HearthError, LookupError):
    """A file or key is not there."""

    status = "not_found"


class UnsupportedError(HearthError):
    """Understood, and not something the library or this model can do."""

    status = "unsupported"


class TooLongError(HearthError, ValueError):
    """Does not fit: a prompt longer than its context."""

    status = "too_long"


class OutOfMemoryError(HearthError, MemoryError):
    """There is not enough memory."""

    status = "out_of_memory"


class IOFailedError(HearthError, OSError):
    """The system refused a read or a write."""

    status = "io"


class CancelledError(HearthError):
    """A callback or a cancellation asked to stop, and there is no result."""

    status = "cancelled"


class InternalError(HearthError):
    """A fault of the library: please report it."""

    status = "internal"


class BusyError(HearthError):
    """The session is in use by another call."""

    status = "busy"


class ClosedError(HearthError):
    """The object was closed."""

    status = "closed"


BY_STATUS = {
    1: UsageError, 2: BadInputError, 3: NotFoundError, 4: UnsupportedError, 5: TooLongError, 6: OutOfMemoryError,
    7: IOFailedError, 8: CancelledError, 9: InternalError, 10: BusyError, 11: ClosedError,
}
