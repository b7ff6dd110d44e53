package openhearth

/*
#include <stdlib.h>
#include <hearth/hearth.h>
extern int hearthGoProgress(double, void*);
// A handle travels as a number: Go's checks would take it for a pointer.
static void hearth_go_model_progress(hearth_model_options* o, uintptr_t user) { o->on_progress = hearthGoProgress; o->user = (void*)user; }
*/
import "C"

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// Token is an index into a model's vocabulary.
type Token int32

// NoToken stands where there is none.
const NoToken Token = -1

// CacheType says how sessions keep what they have read.
type CacheType int32

const (
	CacheF16  CacheType = 0
	CacheF32  CacheType = 1
	CacheQ8_0 CacheType = 2
	CacheQ4_0 CacheType = 3
)

// ModelOptions: the zero value is the defaults.
type ModelOptions struct {
	Threads       int       // 0: one a physical core
	ContextLength int       // tokens a session holds unless it says otherwise; 0: what the model was trained for
	BatchTokens   int       // prompt tokens computed at a time; 0: 512
	CacheType     CacheType // how sessions keep what they have read
	NoPreload     bool      // do not read the file while opening
	Shift         bool      // a full context goes on, its oldest half forgotten
	AllLogits     bool      // do not estimate logits that cannot be drawn; slower
	// OnProgress hears how far opening is, from 0 to 1; false stops it.
	OnProgress func(fraction float64) bool
}

// ModelInfo describes an open model.
type ModelInfo struct {
	ParameterCount, FileBytes                                                           uint64
	ContextLength, TrainedContext, VocabularySize, EmbeddingLength, LayerCount, Threads int
	BOSToken, EOSToken                                                                  Token // NoToken where there is none
	IsEncoder, HasTokenizer, HasChatTemplate                                            bool
}

// Model is a model file, opened; immutable.
type Model struct{ handle *C.hearth_model }

// Open opens a GGUF file. ctx stops it; options may be nil.
func Open(ctx context.Context, path string, options *ModelOptions) (*Model, error) {
	m := memory{}
	defer m.free()
	var fault *C.hearth_error
	o := (*C.hearth_model_options)(m.array(1, C.sizeof_hearth_model_options))
	if err := check(C.hearth_model_options_init(o, C.sizeof_hearth_model_options, &fault), fault); err != nil {
		return nil, err
	}
	var heard listener[float64]
	if options != nil {
		numbers := numbers{}
		o.threads, o.context_length = numbers.unsigned("threads", options.Threads), numbers.unsigned("context_length", options.ContextLength)
		if options.BatchTokens != 0 {
			o.batch_tokens = numbers.unsigned("batch_tokens", options.BatchTokens)
		}
		if numbers.err != nil {
			return nil, numbers.err
		}
		o.cache_type = C.int32_t(options.CacheType)
		o.preload, o.shift, o.all_logits = flag(!options.NoPreload), flag(options.Shift), flag(options.AllLogits)
		if heard.hear = options.OnProgress; heard.hear != nil {
			handle := cgo.NewHandle(&heard)
			defer handle.Delete()
			C.hearth_go_model_progress(o, C.uintptr_t(handle))
		}
	}
	stop, err := cancelWith(ctx)
	if err != nil {
		return nil, err
	}
	defer stop.close()
	o.cancellation = stop.handle
	at, err := m.terminated("the path", path)
	if err != nil {
		return nil, err
	}
	model := &Model{}
	err = check(C.hearth_model_open(at, o, &model.handle, &fault), fault)
	heard.again()
	if err != nil {
		return nil, because(ctx, err)
	}
	runtime.SetFinalizer(model, (*Model).Close)
	return model, nil
}

// Close releases the model once its sessions are closed too. Closing again is harmless.
func (m *Model) Close() error {
	C.hearth_model_close(m.handle)
	return nil
}

// Info describes the model.
func (m *Model) Info() (ModelInfo, error) {
	defer runtime.KeepAlive(m)
	i := C.hearth_model_info{struct_size: C.sizeof_hearth_model_info}
	var fault *C.hearth_error
	if err := check(C.hearth_model_get_info(m.handle, &i, &fault), fault); err != nil {
		return ModelInfo{}, err
	}
	return ModelInfo{
		ParameterCount: uint64(i.parameter_count), FileBytes: uint64(i.file_bytes), ContextLength: int(i.context_length),
		TrainedContext: int(i.trained_context), VocabularySize: int(i.vocabulary_size), EmbeddingLength: int(i.embedding_length),
		LayerCount: int(i.layer_count), Threads: int(i.threads), BOSToken: Token(i.bos_token), EOSToken: Token(i.eos_token),
		IsEncoder: i.is_encoder != 0, HasTokenizer: i.has_tokenizer != 0, HasChatTemplate: i.has_chat_template != 0,
	}, nil
}

// MetadataKeys are the file's keys, in its order.
func (m *Model) MetadataKeys() ([]string, error) {
	defer runtime.KeepAlive(m)
	var count C.size_t
	var fault *C.hearth_error
	if err := check(C.hearth_model_metadata_count(m.handle, &count, &fault), fault); err != nil {
		return nil, err
	}
	keys := make([]string, count)
	for i := range keys {
		var key *C.char
		if err := check(C.hearth_model_metadata_key(m.handle, C.size_t(i), &key, &fault), fault); err != nil {
			return nil, err
		}
		keys[i] = C.GoString(key)
		C.hearth_free(unsafe.Pointer(key))
	}
	return keys, nil
}

// Metadata is the value of a key as JSON.
func (m *Model) Metadata(key string) (json.RawMessage, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	name, err := k.terminated("the key", key)
	if err != nil {
		return nil, err
	}
	var out *C.char
	var fault *C.hearth_error
	if err := check(C.hearth_model_metadata_get(m.handle, name, &out, &fault), fault); err != nil {
		return nil, err
	}
	defer C.hearth_free(unsafe.Pointer(out))
	return json.RawMessage(C.GoString(out)), nil
}

// MetadataSummary is all metadata as one JSON object; arrays of more than mostElements are {"length", "first"}; 0: whole.
func (m *Model) MetadataSummary(mostElements int) (json.RawMessage, error) {
	defer runtime.KeepAlive(m)
	numbers := numbers{}
	most := numbers.unsigned("most_elements", mostElements)
	if numbers.err != nil {
		return nil, numbers.err
	}
	var out *C.char
	var fault *C.hearth_error
	if err := check(C.hearth_model_metadata_json(m.handle, C.size_t(most), &out, &fault), fault); err != nil {
		return nil, err
	}
	defer C.hearth_free(unsafe.Pointer(out))
	return json.RawMessage(C.GoString(out)), nil
}

// TokenizeOptions: the zero value is what a whole text wants.
type TokenizeOptions struct {
	NoSpecial    bool // leave out BOS, EOS and their like
	ParseSpecial bool // "<|im_end|>" in the text is that token, not its letters
}

func (o TokenizeOptions) flags() (flags C.uint32_t) {
	if !o.NoSpecial {
		flags |= C.HEARTH_ADD_SPECIAL
	}
	if o.ParseSpecial {
		flags |= C.HEARTH_PARSE_SPECIAL
	}
	return flags
}

// Tokenize turns text, of any bytes, to tokens.
func (m *Model) Tokenize(text string, options TokenizeOptions) ([]Token, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	var out *C.hearth_token
	var count C.size_t
	var fault *C.hearth_error
	if err := check(C.hearth_tokenize(m.handle, k.text(text), C.size_t(len(text)), options.flags(), &out, &count, &fault), fault); err != nil {
		return nil, err
	}
	defer C.hearth_free(unsafe.Pointer(out))
	return copyTokens(out, count), nil
}

// CountTokens is how many they are.
func (m *Model) CountTokens(text string, options TokenizeOptions) (int, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	var count C.size_t
	var fault *C.hearth_error
	err := check(C.hearth_count_tokens(m.handle, k.text(text), C.size_t(len(text)), options.flags(), &count, &fault), fault)
	return int(count), err
}

// Detokenize turns tokens to text; control tokens are left out unless special.
func (m *Model) Detokenize(tokens []Token, special bool) (string, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	var out *C.char
	var length C.size_t
	var fault *C.hearth_error
	if err := check(C.hearth_detokenize(m.handle, k.tokens(tokens), C.size_t(len(tokens)), C.int32_t(flag(special)), &out, &length, &fault), fault); err != nil {
		return "", err
	}
	return take(out, length), nil
}

// TokenBytes are the bytes one token stands for; perhaps a part of a character.
func (m *Model) TokenBytes(token Token) ([]byte, error) {
	defer runtime.KeepAlive(m)
	var out *C.char
	var length C.size_t
	var fault *C.hearth_error
	if err := check(C.hearth_token_bytes(m.handle, C.hearth_token(token), &out, &length, &fault), fault); err != nil {
		return nil, err
	}
	return []byte(take(out, length)), nil
}

// RenderChat is the text that the model's template makes of messages. tools and variables may be nil.
func (m *Model) RenderChat(messages, tools, variables any) (string, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	var texts [3]*C.char
	for i, value := range []any{messages, tools, variables} {
		var err error
		if texts[i], err = k.json(value); err != nil {
			return "", err
		}
	}
	var out *C.char
	var length C.size_t
	var fault *C.hearth_error
	if err := check(C.hearth_render_chat(m.handle, texts[0], texts[1], texts[2], &out, &length, &fault), fault); err != nil {
		return "", err
	}
	return take(out, length), nil
}

func copyTokens(tokens *C.hearth_token, count C.size_t) []Token {
	copied := make([]Token, count)
	for i, token := range unsafe.Slice(tokens, int(count)) {
		copied[i] = Token(token)
	}
	return copied
}

func flag(on bool) C.int32_t {
	if on {
		return 1
	}
	return 0
}

// numbers keeps the first number that does not fit.
type numbers struct{ err error }

func (n *numbers) unsigned(name string, value int) C.uint32_t {
	n.within(name, value, 0, 1<<32-1)
	return C.uint32_t(value)
}

func (n *numbers) signed(name string, value int) C.int32_t {
	n.within(name, value, -1<<31, 1<<31-1)
	return C.int32_t(value)
}

func (n *numbers) within(name string, value int, low, high int64) {
	if (int64(value) < low || int64(value) > high) && n.err == nil {
		n.err = &Error{Status: Usage, Message: fmt.Sprintf("%s is %d, take %d to %d", name, value, low, high)}
	}
}
