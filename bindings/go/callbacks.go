package openhearth

/*
#include <hearth/hearth.h>
*/
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// ending is how a function of the caller's ended where it did not return: by a panic, or by runtime.Goexit (which is
// testing's FailNow too). Either is done again where it takes no C frames along.
type ending struct {
	panicked, left bool
	with           any
}

func (e *ending) of(run func()) {
	e.left = true
	func() {
		e.panicked = true
		defer func() { e.with = recover() }()
		run()
		e.panicked = false
	}()
	e.left = false
}

func (e *ending) again() {
	if e.left {
		runtime.Goexit()
	}
	if e.panicked {
		panic(e.with)
	}
}

// listener is the callback of one call. C has it as a cgo.Handle in its `user`.
type listener[T any] struct {
	hear func(T) bool
	ending
}

// tell runs the callback in a goroutine that may end.
func (l *listener[T]) tell(what T) (stop C.int) {
	stop = 1
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.of(func() {
			if l.hear(what) {
				stop = 0
			}
		})
	}()
	<-done
	return stop
}

//export hearthGoProgress
func hearthGoProgress(fraction C.double, user unsafe.Pointer) C.int {
	return cgo.Handle(uintptr(user)).Value().(*listener[float64]).tell(float64(fraction))
}

//export hearthGoPiece
func hearthGoPiece(text *C.char, length C.size_t, token C.hearth_token, user unsafe.Pointer) C.int {
	return cgo.Handle(uintptr(user)).Value().(*listener[Piece]).tell(Piece{Text: C.GoStringN(text, C.int(length)), Token: Token(token)})
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
