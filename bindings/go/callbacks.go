package openhearth

/*
#include <hearth/hearth.h>
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"
)

// Callbacks come with a cgo.Handle as their `user`. A panic in one is carried over the C frames and raised again.

type progress struct {
	hear  func(fraction float64) bool
	panic any
}

type pieces struct {
	hear  func(Piece) bool
	panic any
}

//export hearthGoProgress
func hearthGoProgress(fraction C.double, user unsafe.Pointer) (stop C.int) {
	p := cgo.Handle(uintptr(user)).Value().(*progress)
	defer func() {
		if p.panic = recover(); p.panic != nil {
			stop = 1
		}
	}()
	if !p.hear(float64(fraction)) {
		return 1
	}
	return 0
}

//export hearthGoPiece
func hearthGoPiece(text *C.char, length C.size_t, token C.hearth_token, user unsafe.Pointer) (stop C.int) {
	p := cgo.Handle(uintptr(user)).Value().(*pieces)
	defer func() {
		if p.panic = recover(); p.panic != nil {
			stop = 1
		}
	}()
	if !p.hear(Piece{Text: C.GoStringN(text, C.int(length)), Token: Token(token)}) {
		return 1
	}
	return 0
}

// cancellation is a context, as the library wants it.
type cancellation struct {
	handle *C.hearth_cancellation
	done   chan struct{} // closed after the call
}

// cancelWith gives an empty one for a context that never ends. Close it after the call.
func cancelWith(ctx context.Context) (*cancellation, error) {
	if ctx == nil || ctx.Done() == nil {
		return &cancellation{}, nil
	}
	c := &cancellation{done: make(chan struct{})}
	var fault *C.hearth_error
	if err := check(C.hearth_cancellation_new(&c.handle, &fault), fault); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		C.hearth_cancel(c.handle) // before the call begins, and not in a goroutine that may be late
	}
	go func() {
		select {
		case <-ctx.Done():
			C.hearth_cancel(c.handle) // of a closed one: harmless
		case <-c.done:
		}
	}()
	return c, nil
}

func (c *cancellation) close() {
	if c.handle != nil {
		close(c.done)
		C.hearth_cancellation_close(c.handle)
	}
}

// because gives an error that says cancelled the context's own error as its cause.
func because(ctx context.Context, err error) error {
	if fault, is := err.(*Error); is && fault.Status == Cancelled && ctx != nil {
		fault.cause = ctx.Err()
	}
	return err
}
