package openhearth

/*
#include <stdlib.h>
#include <hearth/hearth.h>
extern int hearthGoProgress(double, void*);
static void hearth_go_embed_progress(hearth_embed_options* o, uintptr_t user) { o->on_progress = hearthGoProgress; o->user = (void*)user; }
*/
import "C"

import (
	"context"
	"runtime"
	"runtime/cgo"
	"unsafe"
)

// LongText says what becomes of a text that is longer than the model reads at once.
type LongText int32

const (
	LongTextRefuse   LongText = 0 // an error, with the numbers
	LongTextTruncate LongText = 1 // its beginning counts
	LongTextMean     LongText = 2 // the mean of its pieces' vectors
)

// EmbedOptions: the zero value is the defaults.
type EmbedOptions struct {
	Prefix      string // put before each text, as it stands
	Dimensions  int    // keep the first so many numbers; 0: all
	LongText    LongText
	NoNormalise bool // else each vector has length 1
	OnProgress  func(fraction float64) bool
}

// Embeddings are one vector a text, in their order.
type Embeddings struct {
	Vectors      [][]float32
	PromptTokens int
}

// Embed turns texts to vectors, with an embedding model.
func (m *Model) Embed(ctx context.Context, texts []string, options *EmbedOptions) (*Embeddings, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	var fault *C.hearth_error
	o := (*C.hearth_embed_options)(k.array(1, C.sizeof_hearth_embed_options))
	if err := check(C.hearth_embed_options_init(o, C.sizeof_hearth_embed_options, &fault), fault); err != nil {
		return nil, err
	}
	var heard listener[float64]
	if options != nil {
		numbers := numbers{}
		if o.dimensions = numbers.unsigned("dimensions", options.Dimensions); numbers.err != nil {
			return nil, numbers.err
		}
		var err error
		if o.prefix, err = k.terminated("prefix", options.Prefix); err != nil {
			return nil, err
		}
		o.long_text, o.normalise = C.int32_t(options.LongText), flag(!options.NoNormalise)
		if heard.hear = options.OnProgress; heard.hear != nil {
			handle := cgo.NewHandle(&heard)
			defer handle.Delete()
			C.hearth_go_embed_progress(o, C.uintptr_t(handle))
		}
	}
	stop, err := cancelWith(ctx)
	if err != nil {
		return nil, err
	}
	defer stop.close()
	o.cancellation = stop.handle
	lengths := (*C.size_t)(k.array(len(texts), unsafe.Sizeof(C.size_t(0))))
	for i, text := range texts {
		unsafe.Slice(lengths, len(texts))[i] = C.size_t(len(text))
	}
	var out *C.hearth_embeddings
	err = check(C.hearth_embed(m.handle, k.texts(texts), lengths, C.size_t(len(texts)), o, &out, &fault), fault)
	defer C.hearth_embeddings_free(out)
	heard.again()
	if err != nil {
		return nil, because(ctx, err)
	}
	found := &Embeddings{Vectors: make([][]float32, out.count), PromptTokens: int(out.prompt_tokens)}
	values := unsafe.Slice((*float32)(unsafe.Pointer(out.values)), int(out.count*out.width))
	for i := range found.Vectors {
		found.Vectors[i] = append([]float32(nil), values[i*int(out.width):(i+1)*int(out.width)]...)
	}
	return found, nil
}

// Likelihood is how likely a model finds a text.
type Likelihood struct {
	LogLikelihood float64 // natural logarithm, summed over the tokens
	TokenCount    int
	Greedy        bool // each token was the likeliest
}

// Score tells how likely the model finds each continuation of context.
func (m *Model) Score(ctx context.Context, text string, continuations []string) ([]Likelihood, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	if err := whole("a continuation", continuations...); err != nil {
		return nil, err
	}
	before, err := k.terminated("the context", text)
	if err != nil {
		return nil, err
	}
	out := (*C.hearth_likelihood)(k.array(len(continuations)+1, C.sizeof_hearth_likelihood))
	err = scoring(ctx, &k, func(o *C.hearth_score_options, fault **C.hearth_error) C.hearth_status {
		return C.hearth_score(m.handle, before, k.texts(continuations), C.size_t(len(continuations)), o, out, fault)
	})
	if err != nil {
		return nil, err
	}
	found := make([]Likelihood, len(continuations))
	for i, one := range unsafe.Slice(out, len(continuations)) {
		found[i] = likelihood(one)
	}
	return found, nil
}

// ScoreTokens is log P(tokens[from:] | tokens[:from]).
func (m *Model) ScoreTokens(ctx context.Context, tokens []Token, from int) (Likelihood, error) {
	defer runtime.KeepAlive(m)
	k := memory{}
	defer k.free()
	numbers := numbers{}
	start := numbers.unsigned("from", from)
	if numbers.err != nil {
		return Likelihood{}, numbers.err
	}
	var out C.hearth_likelihood
	err := scoring(ctx, &k, func(o *C.hearth_score_options, fault **C.hearth_error) C.hearth_status {
		return C.hearth_score_tokens(m.handle, k.tokens(tokens), C.size_t(len(tokens)), C.size_t(start), o, &out, fault)
	})
	return likelihood(out), err
}

func scoring(ctx context.Context, k *memory, run func(*C.hearth_score_options, **C.hearth_error) C.hearth_status) error {
	var fault *C.hearth_error
	o := (*C.hearth_score_options)(k.array(1, C.sizeof_hearth_score_options))
	if err := check(C.hearth_score_options_init(o, C.sizeof_hearth_score_options, &fault), fault); err != nil {
		return err
	}
	stop, err := cancelWith(ctx)
	if err != nil {
		return err
	}
	defer stop.close()
	o.cancellation = stop.handle
	status := run(o, &fault)
	return because(ctx, check(status, fault))
}

func likelihood(one C.hearth_likelihood) Likelihood {
	return Likelihood{float64(one.log_likelihood), int(one.token_count), one.greedy != 0}
}
