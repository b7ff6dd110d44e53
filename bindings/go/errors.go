package openhearth

/*
#include <hearth/hearth.h>
*/
import "C"

// Status says what kind of fault an Error is.
type Status int

const (
	Usage       Status = 1 // the call makes no sense: an argument, an option's value, a handle
	BadInput    Status = 2 // a file, text or JSON from outside is at fault
	NotFound    Status = 3 // a file or key is not there
	Unsupported Status = 4 // understood, and not something the library or this model can do
	TooLong     Status = 5 // does not fit: a prompt longer than its context
	OutOfMemory Status = 6
	IO          Status = 7  // the system refused a read or a write
	Cancelled   Status = 8  // a callback or a context asked to stop, and there is no result
	Internal    Status = 9  // a fault of the library: please report it
	Busy        Status = 10 // the session is in use by another call
	Closed      Status = 11 // the model, session or adapter was closed
)

// String is the library's name: "usage", "bad_input", ...
func (s Status) String() string { return C.GoString(C.hearth_status_name(C.hearth_status(s))) }

// Error is what the library refuses: one line that says what, where, and what to do.
type Error struct {
	Status  Status
	Message string
	cause   error // of a context that ended
}

func (e *Error) Error() string { return e.Message }

// Unwrap gives the context's error where one stopped the call.
func (e *Error) Unwrap() error { return e.cause }

// Is holds for errors of the same Status: errors.Is(err, openhearth.ErrClosed).
func (e *Error) Is(target error) bool {
	other, is := target.(*Error)
	return is && other.Message == "" && other.Status == e.Status
}

var (
	ErrBusy      = &Error{Status: Busy}
	ErrCancelled = &Error{Status: Cancelled}
	ErrClosed    = &Error{Status: Closed}
	ErrNotFound  = &Error{Status: NotFound}
	ErrTooLong   = &Error{Status: TooLong}
)

func check(status C.hearth_status, fault *C.hearth_error) error {
	if status == C.HEARTH_OK {
		return nil
	}
	defer C.hearth_error_free(fault)
	return &Error{Status: Status(status), Message: C.GoString(C.hearth_error_message(fault))}
}
