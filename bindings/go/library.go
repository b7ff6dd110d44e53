// Package openhearth runs language models on ordinary computers: the Go binding of Open Hearth's C interface.
//
// A Model is a GGUF file, opened, and may be used from several goroutines at once. A Session is one conversation or
// text; it does one thing at a time (ErrBusy otherwise). Both are released by Close, or when they are collected.
package openhearth

/*
#cgo LDFLAGS: -lhearth
#include <stdlib.h>
#include <hearth/hearth.h>
*/
import "C"

import (
	"encoding/json"
	"strings"
	"unsafe"
)

// Version of the library, "0.1.0".
func Version() string { return C.GoString(C.hearth_version()) }

// BuildInfo tells how the library was built, as JSON.
func BuildInfo() json.RawMessage { return json.RawMessage(C.GoString(C.hearth_build_info())) }

// CPULevels are the instruction sets this machine can run, best first.
func CPULevels() []string {
	levels := make([]string, C.hearth_cpu_level_count())
	for i := range levels {
		levels[i] = C.GoString(C.hearth_cpu_level_name(C.size_t(i)))
	}
	return levels
}

// ActiveCPULevel is the one in use.
func ActiveCPULevel() (string, error) {
	var name *C.char
	var fault *C.hearth_error
	if err := check(C.hearth_cpu_level_active(&name, &fault), fault); err != nil {
		return "", err
	}
	return C.GoString(name), nil
}

// RenderTemplate renders any Jinja chat template, without a model. context is what it sees: messages,
// add_generation_prompt, tools, ... (an object, or JSON as it stands in a json.RawMessage).
func RenderTemplate(source string, context any) (string, error) {
	m := memory{}
	defer m.free()
	template, err := m.terminated("source", source)
	if err != nil {
		return "", err
	}
	text, err := m.json(context)
	if err != nil {
		return "", err
	}
	var out *C.char
	var length C.size_t
	var fault *C.hearth_error
	status := C.hearth_render_template(template, text, &out, &length, &fault)
	return take(out, length), check(status, fault)
}

// take copies text that the library gave by pointer, and gives it back.
func take(text *C.char, length C.size_t) string {
	defer C.hearth_free(unsafe.Pointer(text))
	return C.GoStringN(text, C.int(length))
}

// memory is what one call needs outside of Go's heap.
type memory []unsafe.Pointer

func (m *memory) free() {
	for _, one := range *m {
		C.free(one)
	}
}

func (m *memory) keep(one unsafe.Pointer) unsafe.Pointer {
	*m = append(*m, one)
	return one
}

func (m *memory) text(text string) *C.char { return (*C.char)(m.keep(unsafe.Pointer(C.CString(text)))) }

func (m *memory) array(count int, size uintptr) unsafe.Pointer {
	if count == 0 {
		return nil
	}
	return m.keep(C.calloc(C.size_t(count), C.size_t(size)))
}

// whole refuses what the library, which reads up to a NUL, would cut short.
func whole(what string, texts ...string) error {
	for _, text := range texts {
		if strings.IndexByte(text, 0) >= 0 {
			return &Error{Status: BadInput, Message: what + " holds a NUL"}
		}
	}
	return nil
}

func (m *memory) terminated(what, text string) (*C.char, error) {
	if err := whole(what, text); err != nil {
		return nil, err
	}
	return m.text(text), nil
}

func (m *memory) texts(texts []string) **C.char {
	array := (**C.char)(m.array(len(texts), unsafe.Sizeof((*C.char)(nil))))
	for i, text := range texts {
		unsafe.Slice(array, len(texts))[i] = m.text(text)
	}
	return array
}

// tokens points to a copy, or to nothing of a length of 0.
func (m *memory) tokens(tokens []Token) *C.hearth_token {
	array := (*C.hearth_token)(m.array(len(tokens), unsafe.Sizeof(C.hearth_token(0))))
	for i, token := range tokens {
		unsafe.Slice(array, len(tokens))[i] = C.hearth_token(token)
	}
	return array
}

// json gives NULL for nil.
func (m *memory) json(value any) (*C.char, error) {
	if value == nil {
		return nil, nil
	}
	if raw, is := value.(json.RawMessage); is {
		return m.terminated("the JSON", string(raw)) // the library says what else is wrong with it
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, &Error{Status: Usage, Message: err.Error()}
	}
	return m.text(string(raw)), nil
}
