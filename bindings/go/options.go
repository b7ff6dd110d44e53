package openhearth

/*
#include <hearth/hearth.h>
*/
import "C"

import "unsafe"

// Option is a setting of one generation; what is not given has the library's default (see hearth.h).
type Option func(*settings)

type settings struct {
	set      []func(*numbers, *C.hearth_generation_options)
	stop     []string
	bias     map[Token]float32
	grammar  *string
	schema   any
	tools    any
	template any
	onPiece  func(Piece) bool
}

func with(set func(*numbers, *C.hearth_generation_options)) Option {
	return func(s *settings) { s.set = append(s.set, set) }
}

// MaxTokens ends the answer after so many; 0: when it ends or the context is full.
func MaxTokens(count int) Option {
	return with(func(n *numbers, o *C.hearth_generation_options) { o.max_tokens = n.unsigned("max_tokens", count) })
}

// Temperature 0 takes the likeliest token, always.
func Temperature(t float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.temperature = C.float(t) })
}

// TopK draws from the so many likeliest; 0: all.
func TopK(k int) Option {
	return with(func(n *numbers, o *C.hearth_generation_options) { o.top_k = n.signed("top_k", k) })
}

// TopP draws from the likeliest that make up so much; 1: all.
func TopP(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.top_p = C.float(p) })
}

// MinP drops what is less likely than p times the likeliest; 0: nothing.
func MinP(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.min_p = C.float(p) })
}

// TypicalP is locally typical sampling; 1: off.
func TypicalP(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.typical_p = C.float(p) })
}

// RepeatPenalty: 1 is off.
func RepeatPenalty(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.repeat_penalty = C.float(p) })
}

// FrequencyPenalty: 0 is off.
func FrequencyPenalty(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.frequency_penalty = C.float(p) })
}

// PresencePenalty: 0 is off.
func PresencePenalty(p float32) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.presence_penalty = C.float(p) })
}

// PenaltyWindow is how many last tokens penalties look at; -1: all.
func PenaltyWindow(tokens int) Option {
	return with(func(n *numbers, o *C.hearth_generation_options) {
		o.penalty_window = n.signed("penalty_window", tokens)
	})
}

// Seed draws the same answer again; 0: a new one each time.
func Seed(seed uint64) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.seed = C.uint64_t(seed) })
}

// ParseSpecial: special tokens in the text of Complete are those tokens.
func ParseSpecial(on bool) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.parse_special = flag(on) })
}

// SpecialText: control tokens appear in the text.
func SpecialText(on bool) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.special_text = flag(on) })
}

// IgnoreEnd goes on past the end of the answer, to MaxTokens.
func IgnoreEnd(on bool) Option {
	return with(func(_ *numbers, o *C.hearth_generation_options) { o.ignore_end = flag(on) })
}

// Stop texts end the answer and do not belong to it.
func Stop(texts ...string) Option { return func(s *settings) { s.stop = texts } }

// LogitBias is added to the tokens' logits; minus infinity bans one.
func LogitBias(bias map[Token]float32) Option { return func(s *settings) { s.bias = bias } }

// Grammar keeps the answer to a GBNF grammar.
func Grammar(gbnf string) Option { return func(s *settings) { s.grammar = &gbnf } }

// JSONSchema keeps the answer to JSON of a schema.
func JSONSchema(schema any) Option { return func(s *settings) { s.schema = schema } }

// Tools are for Chat and Say: an array of definitions in OpenAI's form.
func Tools(tools any) Option { return func(s *settings) { s.tools = tools } }

// TemplateVariables are for Chat and Say: what the template sees besides.
func TemplateVariables(variables any) Option { return func(s *settings) { s.template = variables } }

// OnPiece hears the answer while it is written, on the goroutine of the call; false stops it.
func OnPiece(hear func(Piece) bool) Option { return func(s *settings) { s.onPiece = hear } }

func (s *settings) fill(m *memory) (*C.hearth_generation_options, error) {
	o := (*C.hearth_generation_options)(m.array(1, C.sizeof_hearth_generation_options))
	var fault *C.hearth_error
	if err := check(C.hearth_generation_options_init(o, C.sizeof_hearth_generation_options, &fault), fault); err != nil {
		return nil, err
	}
	numbers := numbers{}
	for _, set := range s.set {
		set(&numbers, o)
	}
	if numbers.err != nil {
		return nil, numbers.err
	}
	err := whole("stop", s.stop...)
	if err != nil {
		return nil, err
	}
	o.stop, o.stop_count = m.texts(s.stop), C.size_t(len(s.stop))
	array := (*C.hearth_logit_bias)(m.array(len(s.bias), C.sizeof_hearth_logit_bias))
	o.logit_bias, o.logit_bias_count = array, C.size_t(len(s.bias))
	i := 0
	for token, bias := range s.bias {
		unsafe.Slice(array, len(s.bias))[i] = C.hearth_logit_bias{token: C.hearth_token(token), bias: C.float(bias)}
		i++
	}
	if s.grammar != nil {
		if o.grammar, err = m.terminated("grammar", *s.grammar); err != nil {
			return nil, err
		}
	}
	for _, one := range []struct {
		field **C.char
		value any
	}{{&o.json_schema, s.schema}, {&o.tools, s.tools}, {&o.template_variables, s.template}} {
		if *one.field, err = m.json(one.value); err != nil {
			return nil, err
		}
	}
	return o, nil
}
