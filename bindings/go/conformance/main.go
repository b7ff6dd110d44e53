// Runs bindings/conformance/cases.json: see the README there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"sync"

	hearth "openhearth"
)

type object = map[string]any

type testCase struct {
	Name, Operation, Model string
	Arguments              json.RawMessage
	Expected               object
	Tolerance              *float64
}

var (
	folder = os.Getenv("HEARTH_CONFORMANCE")
	models = map[string]*hearth.Model{}
	ctx    = context.Background()
)

func path(name string) string { return filepath.Join(folder, name+".gguf") }

// must ends an operation with the library's error.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func do(err error) {
	if err != nil {
		panic(err)
	}
}

func failure(err *hearth.Error) object {
	return object{"error": object{"status": err.Status.String(), "message": err.Message}}
}

func text(a object, key string) string { s, _ := a[key].(string); return s }
func truth(a object, key string) bool  { b, _ := a[key].(bool); return b }
func number(a object, key string) int  { n, _ := a[key].(float64); return int(n) }
func options(a object) object          { o, _ := a["options"].(object); return o }
func list[T any](value any, convert func(any) T) []T {
	all, _ := value.([]any)
	out := make([]T, len(all))
	for i, one := range all {
		out[i] = convert(one)
	}
	return out
}
func asText(v any) string        { return v.(string) }
func asToken(v any) hearth.Token { return hearth.Token(v.(float64)) }

// asJSON: JSON values stand as they are in the file (order counts), and where one is text, it is JSON as it stands.
func asJSON(v any) any {
	raw, is := v.(json.RawMessage)
	if !is {
		return nil
	}
	var written string
	if json.Unmarshal(raw, &written) == nil {
		return json.RawMessage(written)
	}
	return raw
}

// keepJSON replaces such values of arguments or options by how they are written.
func keepJSON(o object, raw json.RawMessage, keys ...string) {
	var written map[string]json.RawMessage
	if json.Unmarshal(raw, &written) != nil {
		return
	}
	for _, key := range keys {
		if value, has := written[key]; has && string(value) != "null" {
			o[key] = value
		}
	}
	if inner, has := o["options"].(object); has {
		keepJSON(inner, written["options"], "json_schema", "tools", "template_variables")
	}
}

func open(ctx context.Context, name string, o object, progress func(float64) bool) (*hearth.Model, error) {
	settings := hearth.ModelOptions{ContextLength: 512, Threads: 2, OnProgress: progress}
	for key, value := range o {
		switch key {
		case "context_length":
			settings.ContextLength = int(value.(float64))
		case "threads":
			settings.Threads = int(value.(float64))
		case "batch_tokens":
			if settings.BatchTokens = int(value.(float64)); settings.BatchTokens == 0 {
				settings.BatchTokens = -1 // 0 is the default in Go; this is what makes no sense
			}
		case "preload":
			settings.NoPreload = !value.(bool)
		case "all_logits":
			settings.AllLogits = value.(bool)
		case "shift":
			settings.Shift = value.(bool)
		case "cache_type":
			settings.CacheType = map[string]hearth.CacheType{"f16": hearth.CacheF16, "f32": hearth.CacheF32, "q8_0": hearth.CacheQ8_0, "q4_0": hearth.CacheQ4_0}[value.(string)]
		default:
			panic("no model option " + key)
		}
	}
	return hearth.Open(ctx, path(name), &settings)
}

func modelOf(name string) *hearth.Model {
	if models[name] == nil {
		models[name] = must(open(ctx, name, nil, nil))
	}
	return models[name]
}

func generationOptions(o object) (out []hearth.Option) {
	for key, value := range o {
		n, _ := value.(float64)
		switch key {
		case "max_tokens":
			out = append(out, hearth.MaxTokens(int(n)))
		case "temperature":
			out = append(out, hearth.Temperature(float32(n)))
		case "top_k":
			out = append(out, hearth.TopK(int(n)))
		case "top_p":
			out = append(out, hearth.TopP(float32(n)))
		case "min_p":
			out = append(out, hearth.MinP(float32(n)))
		case "typical_p":
			out = append(out, hearth.TypicalP(float32(n)))
		case "repeat_penalty":
			out = append(out, hearth.RepeatPenalty(float32(n)))
		case "frequency_penalty":
			out = append(out, hearth.FrequencyPenalty(float32(n)))
		case "presence_penalty":
			out = append(out, hearth.PresencePenalty(float32(n)))
		case "penalty_window":
			out = append(out, hearth.PenaltyWindow(int(n)))
		case "seed":
			out = append(out, hearth.Seed(uint64(n)))
		case "parse_special":
			out = append(out, hearth.ParseSpecial(value.(bool)))
		case "special_text":
			out = append(out, hearth.SpecialText(value.(bool)))
		case "ignore_end":
			out = append(out, hearth.IgnoreEnd(value.(bool)))
		case "stop":
			out = append(out, hearth.Stop(list(value, asText)...))
		case "grammar":
			out = append(out, hearth.Grammar(value.(string)))
		case "json_schema":
			out = append(out, hearth.JSONSchema(asJSON(value)))
		case "tools":
			out = append(out, hearth.Tools(asJSON(value)))
		case "template_variables":
			out = append(out, hearth.TemplateVariables(asJSON(value)))
		case "logit_bias":
			bias := map[hearth.Token]float32{}
			for token, by := range value.(object) {
				id := must(strconv.Atoi(token))
				if by == "-inf" {
					bias[hearth.Token(id)] = float32(math.Inf(-1))
				} else {
					bias[hearth.Token(id)] = float32(by.(float64))
				}
			}
			out = append(out, hearth.LogitBias(bias))
		default:
			panic("no generation option " + key)
		}
	}
	return out
}

func generateIn(ctx context.Context, s *hearth.Session, a object, more ...hearth.Option) (*hearth.Result, error) {
	all := append(generationOptions(options(a)), more...)
	if messages, has := a["messages"]; has {
		return s.Chat(ctx, asJSON(messages), all...)
	}
	if tokens, has := a["tokens"]; has {
		return s.CompleteTokens(ctx, list(tokens, asToken), all...)
	}
	return s.Complete(ctx, text(a, "prompt"), all...)
}

func resultOf(r *hearth.Result) object {
	out := object{"text": r.Text, "tokens": r.Tokens, "finish_reason": r.FinishReason, "stop_text": nil, "seed": r.Seed,
		"prompt_tokens": r.PromptTokens, "cached_tokens": r.CachedTokens, "generated_tokens": r.GeneratedTokens}
	if r.HasStopText {
		out["stop_text"] = r.StopText
	}
	return out
}

func generated(s *hearth.Session, a object) object {
	cancel, _ := a["cancel"].(object)
	how, after := text(cancel, "how"), number(cancel, "after")
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	if how == "before" {
		stop()
	}
	texts := map[string]bool{}
	var result *hearth.Result
	var joined string
	for i := 0; i == 0 || i < number(a, "repeat"); i++ {
		joined = ""
		heard := 0
		result = must(generateIn(stopping, s, a, hearth.OnPiece(func(piece hearth.Piece) bool {
			joined += piece.Text
			heard++
			if heard != after {
				return true
			}
			switch how {
			case "session":
				s.Cancel()
			case "thread":
				done := make(chan struct{})
				go func() { s.Cancel(); close(done) }()
				<-done
			case "cancellation":
				stop()
			case "close":
				s.Close()
			}
			return how != "callback"
		})))
		texts[result.Text] = true
	}
	out := resultOf(result)
	out["streamed"], out["same"] = joined == result.Text, len(texts) == 1
	return out
}

func likelihoods(found []hearth.Likelihood) []object {
	out := make([]object, len(found))
	for i, one := range found {
		out[i] = object{"log_likelihood": one.LogLikelihood, "token_count": one.TokenCount, "greedy": one.Greedy}
	}
	return out
}

func tokenizeOptions(a object) hearth.TokenizeOptions {
	add, has := a["add_special"].(bool)
	return hearth.TokenizeOptions{NoSpecial: has && !add, ParseSpecial: truth(a, "parse_special")}
}

var operations = map[string]func(model string, a object) object{
	"library": func(_ string, a object) object {
		active, known := must(hearth.ActiveCPULevel()), false
		for _, level := range hearth.CPULevels() {
			known = known || level == active
		}
		return object{"version": hearth.Version(), "level_is_known": known}
	},
	"open": func(model string, a object) object {
		opening, stop := context.WithCancel(ctx)
		defer stop()
		if text(a, "cancel") == "cancellation" {
			stop()
		}
		var fractions []float64
		m := must(open(opening, model, options(a), func(fraction float64) bool {
			fractions = append(fractions, fraction)
			return text(a, "cancel") != "progress"
		}))
		defer m.Close()
		i := must(m.Info())
		token := func(t hearth.Token) any {
			if t == hearth.NoToken {
				return nil
			}
			return t
		}
		return object{"parameter_count": i.ParameterCount, "file_bytes": i.FileBytes, "context_length": i.ContextLength,
			"trained_context": i.TrainedContext, "vocabulary_size": i.VocabularySize, "embedding_length": i.EmbeddingLength,
			"layer_count": i.LayerCount, "threads": i.Threads, "bos_token": token(i.BOSToken), "eos_token": token(i.EOSToken),
			"is_encoder": i.IsEncoder, "has_tokenizer": i.HasTokenizer, "has_chat_template": i.HasChatTemplate,
			"progress_rises": sort.Float64sAreSorted(fractions), "progress_ends": fractions[len(fractions)-1]}
	},
	"metadata": func(model string, a object) object {
		return object{"value": must(modelOf(model).Metadata(text(a, "key")))}
	},
	"all_metadata": func(model string, a object) object {
		keys := must(modelOf(model).MetadataKeys())
		return object{"count": len(keys), "keys": keys, "summary": must(modelOf(model).MetadataSummary(number(a, "most_elements")))}
	},
	"tokenize": func(model string, a object) object {
		m, o := modelOf(model), tokenizeOptions(a)
		return object{"tokens": must(m.Tokenize(text(a, "text"), o)), "count": must(m.CountTokens(text(a, "text"), o))}
	},
	"detokenize": func(model string, a object) object {
		return object{"text": must(modelOf(model).Detokenize(list(a["tokens"], asToken), truth(a, "special")))}
	},
	"token_bytes": func(model string, a object) object {
		bytes := must(modelOf(model).TokenBytes(hearth.Token(number(a, "token"))))
		out := make([]int, len(bytes))
		for i, one := range bytes {
			out[i] = int(one)
		}
		return object{"bytes": out}
	},
	"render_chat": func(model string, a object) object {
		return object{"text": must(modelOf(model).RenderChat(asJSON(a["messages"]), asJSON(a["tools"]), asJSON(a["variables"])))}
	},
	"render_template": func(_ string, a object) object {
		return object{"text": must(hearth.RenderTemplate(text(a, "source"), asJSON(a["context"])))}
	},
	"generate": func(model string, a object) object {
		m := modelOf(model)
		s := must(m.NewSession(&hearth.SessionOptions{ContextLength: number(a, "context_length")}))
		defer s.Close()
		if _, has := a["adapters"]; has {
			do(s.SetAdapters(list(a["adapters"], func(v any) hearth.ScaledAdapter {
				one := v.(object)
				return hearth.ScaledAdapter{Adapter: must(m.OpenAdapter(path(text(one, "model")))), Scale: float32(one["scale"].(float64))}
			})...))
		}
		return generated(s, a)
	},
	"conversation": func(model string, a object) object {
		s := must(modelOf(model).NewSession(&hearth.SessionOptions{System: text(a, "system")}))
		defer s.Close()
		if messages, has := a["messages"]; has {
			do(s.SetMessages(asJSON(messages)))
		}
		answers := list(a["turns"], func(v any) string {
			return must(s.Say(ctx, v.(string), generationOptions(options(a))...)).Text
		})
		if truth(a, "reset") {
			do(s.Reset())
		}
		return object{"answers": answers, "messages": must(s.Messages())}
	},
	"score": func(model string, a object) object {
		return object{"likelihoods": likelihoods(must(modelOf(model).Score(ctx, text(a, "context"), list(a["continuations"], asText))))}
	},
	"score_tokens": func(model string, a object) object {
		one := must(modelOf(model).ScoreTokens(ctx, list(a["tokens"], asToken), number(a, "start")))
		return object{"likelihoods": likelihoods([]hearth.Likelihood{one})}
	},
	"embed": func(model string, a object) object {
		stopping, stop := context.WithCancel(ctx)
		defer stop()
		cancel := text(a, "cancel")
		if cancel == "cancellation" {
			stop()
		}
		o := options(a)
		settings := hearth.EmbedOptions{Prefix: text(o, "prefix"), Dimensions: number(o, "dimensions"),
			LongText:   map[string]hearth.LongText{"truncate": hearth.LongTextTruncate, "mean": hearth.LongTextMean}[text(o, "long_text")],
			OnProgress: func(float64) bool { return cancel != "progress" }}
		if normalise, has := o["normalise"].(bool); has {
			settings.NoNormalise = !normalise
		}
		found := must(modelOf(model).Embed(stopping, list(a["texts"], asText), &settings))
		product := func(a, b []float32) (sum float64) {
			for i := range a {
				sum += float64(a[i]) * float64(b[i])
			}
			return sum
		}
		var beginnings [][]float32
		var lengths, products []float64
		for _, vector := range found.Vectors {
			beginnings = append(beginnings, vector[:4])
			lengths = append(lengths, math.Sqrt(product(vector, vector)))
			products = append(products, product(found.Vectors[0], vector))
		}
		return object{"count": len(found.Vectors), "width": len(found.Vectors[0]), "prompt_tokens": found.PromptTokens,
			"beginnings": beginnings, "lengths": lengths, "products": products}
	},
	"busy": func(model string, a object) object {
		s := must(modelOf(model).NewSession(nil))
		defer s.Close()
		var inner object
		outer := must(generateIn(ctx, s, a, hearth.OnPiece(func(hearth.Piece) bool {
			if inner == nil {
				result, err := generateIn(ctx, s, a)
				var fault *hearth.Error
				if errors.As(err, &fault) {
					inner = failure(fault)
				} else {
					inner = resultOf(result)
				}
			}
			return true
		})))
		return object{"inner": inner, "outer": resultOf(outer)}
	},
	"closed": func(model string, a object) object {
		m := must(open(ctx, model, nil, nil))
		defer m.Close()
		switch text(a, "what") {
		case "model":
			m.Close()
			must(m.Tokenize("x", hearth.TokenizeOptions{}))
		case "model_twice":
			m.Close()
			m.Close()
			return object{"harmless": true}
		case "session":
			s := must(m.NewSession(nil))
			s.Close()
			must(s.Complete(ctx, "x"))
		default:
			adapter := must(m.OpenAdapter(path("tiny-adapter")))
			adapter.Close()
			do(must(m.NewSession(nil)).SetAdapters(hearth.ScaledAdapter{Adapter: adapter, Scale: 1}))
		}
		return object{}
	},
	"outlives": func(model string, a object) object {
		m := must(open(ctx, model, nil, nil))
		s := must(m.NewSession(nil))
		m.Close()
		defer s.Close()
		return object{"text": must(generateIn(ctx, s, a)).Text}
	},
	"together": func(model string, a object) object {
		m := modelOf(model)
		prompts := list(a["prompts"], asText)
		texts := make([]string, len(prompts))
		var all sync.WaitGroup
		for i, prompt := range prompts {
			all.Add(1)
			go func(i int, prompt string) {
				defer all.Done()
				s, err := m.NewSession(nil)
				if err != nil {
					return
				}
				defer s.Close()
				if r, err := s.Complete(ctx, prompt, generationOptions(options(a))...); err == nil {
					texts[i] = r.Text
				}
			}(i, prompt)
		}
		all.Wait()
		return object{"texts": texts}
	},
	"other_adapter": func(model string, a object) object {
		must(modelOf(model).OpenAdapter(path(text(a, "adapter")))).Close()
		return object{}
	},
	"cycles": func(model string, a object) object {
		count, warm := number(a, "count"), 0
		for i := 0; i < count; i++ {
			m := must(open(ctx, model, nil, nil))
			s := must(m.NewSession(nil))
			must(generateIn(ctx, s, a))
			s.Close()
			m.Close()
			if i+1 == count/4 {
				warm = resident()
			}
		}
		return object{"flat": resident()-warm <= number(a, "growth")}
	},
	"estimates": func(model string, a object) object {
		given, _ := a["model_options"].(object)
		m := must(open(ctx, model, given, nil))
		defer m.Close()
		s := must(m.NewSession(nil))
		defer s.Close()
		before := private()
		must(generateIn(ctx, s, a))
		return object{"grown": private()-before > number(a, "growth")}
	},
}

func resident() int { return memory(1) }

func private() int { return memory(1) - memory(2) } // without mapped files

func memory(field int) int {
	fields := strings.Fields(string(must(os.ReadFile("/proc/self/statm"))))
	return must(strconv.Atoi(fields[field])) * os.Getpagesize()
}

func perform(c testCase) (out object, broken error) {
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case *hearth.Error:
			out = failure(fault)
		default:
			broken = fmt.Errorf("%v", fault)
		}
	}()
	operation := operations[c.Operation]
	if operation == nil {
		return nil, fmt.Errorf("no operation %s", c.Operation)
	}
	arguments := object{}
	if c.Arguments != nil {
		do(json.Unmarshal(c.Arguments, &arguments))
		keepJSON(arguments, c.Arguments, "messages", "tools", "variables")
		if c.Operation == "render_template" {
			keepJSON(arguments, c.Arguments, "context")
		}
	}
	return operation(c.Model, arguments), nil
}

func faults(expected, actual any, tolerance float64, where string) (found []string) {
	say := func(format string, values ...any) { found = append(found, where+fmt.Sprintf(format, values...)) }
	switch e := expected.(type) {
	case object:
		a, is := actual.(object)
		if !is {
			say(": %v is no object", actual)
			return found
		}
		for key, value := range e {
			if key == "says" {
				for _, part := range value.([]any) {
					if !strings.Contains(text(a, "message"), part.(string)) {
						say(": the message %q does not say %q", text(a, "message"), part)
					}
				}
			} else if came, has := a[key]; !has {
				say(".%s is absent from %v", key, a)
			} else {
				found = append(found, faults(value, came, tolerance, where+"."+key)...)
			}
		}
	case []any:
		a, is := actual.([]any)
		if !is || len(a) != len(e) {
			say(": %v, not %v", actual, expected)
			return found
		}
		for i := range e {
			found = append(found, faults(e[i], a[i], tolerance, fmt.Sprintf("%s[%d]", where, i))...)
		}
	case float64:
		if a, is := actual.(float64); !is || !(math.Abs(a-e) <= tolerance) {
			say(": %v, not %v", actual, expected)
		}
	default:
		if !reflect.DeepEqual(expected, actual) {
			say(": %v, not %v", actual, expected)
		}
	}
	return found
}

func main() {
	var file struct{ Cases []testCase }
	do(json.Unmarshal(must(os.ReadFile(filepath.Join(folder, "cases.json"))), &file))
	failed := 0
	for _, c := range file.Cases {
		out, broken := perform(c)
		var found []string
		if broken != nil {
			found = []string{broken.Error()}
		} else {
			var plain any // as JSON has it
			do(json.Unmarshal(must(json.Marshal(out)), &plain))
			tolerance := 0.001
			if c.Tolerance != nil {
				tolerance = *c.Tolerance
			}
			found = faults(any(c.Expected), plain, tolerance, "")
		}
		if len(found) > 0 {
			failed++
			fmt.Fprintf(os.Stderr, "%s: %s\n", c.Name, strings.Join(found, "; "))
		} else {
			fmt.Println("passed", c.Name)
		}
	}
	fmt.Printf("go: %d passed, %d failed\n", len(file.Cases)-failed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
