package openhearth

/*
#include <stdlib.h>
#include <hearth/hearth.h>
extern int hearthGoPiece(char*, size_t, hearth_token, void*);
static int piece(const char* text, size_t length, hearth_token token, void* user) { return hearthGoPiece((char*)text, length, token, user); }
static hearth_on_piece hearer(int on) { return on ? piece : NULL; }

static hearth_status go_complete(hearth_session* s, const char* t, size_t n, const hearth_generation_options* o, int on, uintptr_t user, hearth_result** r, hearth_error** e) {
  return hearth_session_complete(s, t, n, o, hearer(on), (void*)user, r, e);
}
static hearth_status go_complete_tokens(hearth_session* s, const hearth_token* t, size_t n, const hearth_generation_options* o, int on, uintptr_t user, hearth_result** r, hearth_error** e) {
  return hearth_session_complete_tokens(s, t, n, o, hearer(on), (void*)user, r, e);
}
static hearth_status go_chat(hearth_session* s, const char* m, const hearth_generation_options* o, int on, uintptr_t user, hearth_result** r, hearth_error** e) {
  return hearth_session_chat(s, m, o, hearer(on), (void*)user, r, e);
}
static hearth_status go_say(hearth_session* s, const char* t, size_t n, const hearth_generation_options* o, int on, uintptr_t user, hearth_result** r, hearth_error** e) {
  return hearth_session_say(s, t, n, o, hearer(on), (void*)user, r, e);
}
*/
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"runtime/cgo"
	"time"
	"unsafe"
)

// SessionOptions: the zero value is the defaults.
type SessionOptions struct {
	ContextLength int    // tokens it holds; 0: the model's
	System        string // the conversation's system message
}

// Session is one conversation with a model, or one text, and what was computed of it. One call at a time.
type Session struct{ handle *C.hearth_session }

// NewSession opens a session. Any number may be open and generate at once.
func (m *Model) NewSession(options *SessionOptions) (*Session, error) {
	defer runtime.KeepAlive(m)
	var o C.hearth_session_options
	var fault *C.hearth_error
	if err := check(C.hearth_session_options_init(&o, C.sizeof_hearth_session_options, &fault), fault); err != nil {
		return nil, err
	}
	if options != nil {
		numbers := numbers{}
		if o.context_length = numbers.unsigned("context_length", options.ContextLength); numbers.err != nil {
			return nil, numbers.err
		}
	}
	s := &Session{}
	if err := check(C.hearth_session_open(m.handle, &o, &s.handle, &fault), fault); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(s, (*Session).Close)
	if options != nil && options.System != "" {
		if err := s.SetSystem(options.System); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// Close cancels what runs in the session and releases it. Closing again is harmless.
func (s *Session) Close() error {
	C.hearth_session_close(s.handle)
	return nil
}

// Cancel ends the generation that runs in the session, from whatever goroutine.
func (s *Session) Cancel() { C.hearth_session_cancel(s.handle) }

// SessionInfo describes a session.
type SessionInfo struct {
	ContextLength, UsedTokens int
	Busy                      bool
}

// Info may be asked while the session is busy.
func (s *Session) Info() (SessionInfo, error) {
	defer runtime.KeepAlive(s)
	i := C.hearth_session_info{struct_size: C.sizeof_hearth_session_info}
	var fault *C.hearth_error
	err := check(C.hearth_session_get_info(s.handle, &i, &fault), fault)
	return SessionInfo{int(i.context_length), int(i.used_tokens), i.busy != 0}, err
}

// Piece is a piece of an answer: whole characters, and the token they came with (NoToken for a last one without).
type Piece struct {
	Text  string
	Token Token
}

// Result is an answer.
type Result struct {
	Text            string
	Tokens          []Token
	FinishReason    string // "stop", "length" or "cancelled"
	StopText        string // the stop text that was met, if HasStopText
	HasStopText     bool
	Seed            uint64 // draws the same answer again
	PromptTokens    int
	CachedTokens    int // of PromptTokens: held already
	GeneratedTokens int
	PromptTime      time.Duration
	GenerationTime  time.Duration
}

// Complete continues a text as it stands. ctx ends it early: the result then says "cancelled".
func (s *Session) Complete(ctx context.Context, prompt string, options ...Option) (*Result, error) {
	return s.generate(ctx, options, func(m *memory, o *C.hearth_generation_options, on C.int, user C.uintptr_t, r **C.hearth_result, e **C.hearth_error) (C.hearth_status, error) {
		return C.go_complete(s.handle, m.text(prompt), C.size_t(len(prompt)), o, on, user, r, e), nil
	})
}

// CompleteTokens continues tokens: the prompt is exactly these.
func (s *Session) CompleteTokens(ctx context.Context, prompt []Token, options ...Option) (*Result, error) {
	return s.generate(ctx, options, func(m *memory, o *C.hearth_generation_options, on C.int, user C.uintptr_t, r **C.hearth_result, e **C.hearth_error) (C.hearth_status, error) {
		return C.go_complete_tokens(s.handle, m.tokens(prompt), C.size_t(len(prompt)), o, on, user, r, e), nil
	})
}

// Chat answers a whole conversation: []Message, or whatever marshals to what the model's template reads.
func (s *Session) Chat(ctx context.Context, messages any, options ...Option) (*Result, error) {
	return s.generate(ctx, options, func(m *memory, o *C.hearth_generation_options, on C.int, user C.uintptr_t, r **C.hearth_result, e **C.hearth_error) (C.hearth_status, error) {
		text, err := m.json(messages)
		if err != nil {
			return 0, err
		}
		return C.go_chat(s.handle, text, o, on, user, r, e), nil
	})
}

// Say adds a user's message to the session's conversation, answers it and adds the answer.
func (s *Session) Say(ctx context.Context, text string, options ...Option) (*Result, error) {
	return s.generate(ctx, options, func(m *memory, o *C.hearth_generation_options, on C.int, user C.uintptr_t, r **C.hearth_result, e **C.hearth_error) (C.hearth_status, error) {
		return C.go_say(s.handle, m.text(text), C.size_t(len(text)), o, on, user, r, e), nil
	})
}

// Message is a turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Messages is the session's conversation as JSON, the system message first where there is one.
func (s *Session) Messages() (json.RawMessage, error) {
	defer runtime.KeepAlive(s)
	var out *C.char
	var fault *C.hearth_error
	if err := check(C.hearth_session_messages(s.handle, &out, &fault), fault); err != nil {
		return nil, err
	}
	defer C.hearth_free(unsafe.Pointer(out))
	return json.RawMessage(C.GoString(out)), nil
}

// SetMessages replaces the conversation, system message and all.
func (s *Session) SetMessages(messages any) error {
	defer runtime.KeepAlive(s)
	m := memory{}
	defer m.free()
	text, err := m.json(messages)
	if err != nil {
		return err
	}
	var fault *C.hearth_error
	return check(C.hearth_session_set_messages(s.handle, text, &fault), fault)
}

// SetSystem sets the system message; "": none.
func (s *Session) SetSystem(text string) error {
	defer runtime.KeepAlive(s)
	m := memory{}
	defer m.free()
	system, err := m.terminated("the system message", text)
	if err != nil {
		return err
	}
	var fault *C.hearth_error
	return check(C.hearth_session_set_system(s.handle, system, &fault), fault)
}

// Reset forgets the conversation; its system message stays.
func (s *Session) Reset() error {
	defer runtime.KeepAlive(s)
	var fault *C.hearth_error
	return check(C.hearth_session_reset(s.handle, &fault), fault)
}

// Adapter is a LoRA adapter, opened for one model.
type Adapter struct{ handle *C.hearth_adapter }

// OpenAdapter opens an adapter in GGUF.
func (m *Model) OpenAdapter(path string) (*Adapter, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	at, err := k.terminated("the path", path)
	if err != nil {
		return nil, err
	}
	a := &Adapter{}
	var fault *C.hearth_error
	if err := check(C.hearth_adapter_open(m.handle, at, &a.handle, &fault), fault); err != nil {
		return nil, err
	}
	runtime.SetFinalizer(a, (*Adapter).Close)
	return a, nil
}

// Close is harmless for sessions that use it.
func (a *Adapter) Close() error {
	C.hearth_adapter_close(a.handle)
	return nil
}

// ScaledAdapter is an adapter and how strongly it acts.
type ScaledAdapter struct {
	Adapter *Adapter
	Scale   float32
}

// SetAdapters: what the session computes from now on is with these; none: without.
func (s *Session) SetAdapters(adapters ...ScaledAdapter) error {
	defer runtime.KeepAlive(s)
	defer runtime.KeepAlive(adapters)
	handles := make([]*C.hearth_adapter, len(adapters)+1)
	scales := make([]C.float, len(adapters)+1)
	for i, one := range adapters {
		handles[i], scales[i] = one.Adapter.handle, C.float(one.Scale)
	}
	m := memory{}
	defer m.free()
	array := (**C.hearth_adapter)(m.array(len(handles), unsafe.Sizeof(handles[0])))
	copy(unsafe.Slice(array, len(handles)), handles)
	var fault *C.hearth_error
	return check(C.hearth_session_set_adapters(s.handle, array, &scales[0], C.size_t(len(adapters)), &fault), fault)
}

type call func(*memory, *C.hearth_generation_options, C.int, C.uintptr_t, **C.hearth_result, **C.hearth_error) (C.hearth_status, error)

func (s *Session) generate(ctx context.Context, options []Option, run call) (*Result, error) {
	defer runtime.KeepAlive(s)
	m := memory{}
	defer m.free()
	settings := settings{}
	for _, option := range options {
		option(&settings)
	}
	o, err := settings.fill(&m)
	if err != nil {
		return nil, err
	}
	stop, err := cancelWith(ctx)
	if err != nil {
		return nil, err
	}
	defer stop.close()
	o.cancellation = stop.handle

	heard := listener[Piece]{hear: settings.onPiece}
	on, user := C.int(0), C.uintptr_t(0)
	if heard.hear != nil {
		handle := cgo.NewHandle(&heard)
		defer handle.Delete()
		on, user = 1, C.uintptr_t(handle)
	}
	var out *C.hearth_result
	var fault *C.hearth_error
	status, err := run(&m, o, on, user, &out, &fault)
	if err == nil {
		err = check(status, fault)
	}
	defer C.hearth_result_free(out)
	heard.again()
	if err != nil {
		return nil, because(ctx, err)
	}
	result := &Result{
		Text: C.GoStringN(out.text, C.int(out.text_length)), Tokens: copyTokens(out.tokens, out.token_count),
		FinishReason: [...]string{"stop", "length", "cancelled"}[out.finish_reason], Seed: uint64(out.seed),
		PromptTokens: int(out.prompt_tokens), CachedTokens: int(out.cached_tokens), GeneratedTokens: int(out.generated_tokens),
		PromptTime:     time.Duration(float64(out.prompt_seconds) * float64(time.Second)),
		GenerationTime: time.Duration(float64(out.generation_seconds) * float64(time.Second)),
	}
	if out.stop_text != nil {
		result.StopText, result.HasStopText = C.GoString(out.stop_text), true
	}
	return result, nil
}
