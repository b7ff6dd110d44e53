package openhearth_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	hearth "openhearth"
)

const endless = 400000 // tokens of context: an answer that does not end before the test is done with it

func tiny(t *testing.T) *hearth.Model {
	t.Helper()
	return tinyWith(t, 512)
}

func tinyWith(t *testing.T, contextLength int) *hearth.Model {
	t.Helper()
	folder := os.Getenv("HEARTH_CONFORMANCE")
	if folder == "" {
		t.Skip("needs HEARTH_CONFORMANCE (bindings/run sets it)")
	}
	model, err := hearth.Open(context.Background(), filepath.Join(folder, "tiny.gguf"), &hearth.ModelOptions{ContextLength: contextLength, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

func session(t *testing.T, model *hearth.Model) *hearth.Session {
	t.Helper()
	s, err := model.NewSession(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestErrorsWrap(t *testing.T) {
	_, err := hearth.Open(context.Background(), "/nowhere/model.gguf", nil)
	if !errors.Is(err, hearth.ErrNotFound) || errors.Is(err, hearth.ErrClosed) || !strings.Contains(err.Error(), "/nowhere/model.gguf") {
		t.Fatal(err)
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	model := tiny(t)
	if _, err := model.Score(ended, "the", []string{" low"}); !errors.Is(err, context.Canceled) || !errors.Is(err, hearth.ErrCancelled) {
		t.Fatal(err)
	}
	wrapped := fmt.Errorf("mine: %w", hearth.ErrBusy)
	if !errors.Is(wrapped, hearth.ErrBusy) {
		t.Fatal(wrapped)
	}
}

func TestStreamGivesTheWholeAnswerInPieces(t *testing.T) {
	s := session(t, tiny(t))
	stream := s.StreamComplete(context.Background(), "the low", hearth.MaxTokens(12), hearth.Temperature(0), hearth.IgnoreEnd(true))
	joined := ""
	for stream.Next() {
		joined += stream.Piece().Text
	}
	result, err := stream.Result()
	if err != nil || result.Text != joined || result.GeneratedTokens != 12 {
		t.Fatal(err, result, joined)
	}
}

func TestStreamLeftEarlyStopsTheModel(t *testing.T) {
	s := session(t, tinyWith(t, endless))
	stream := s.StreamComplete(context.Background(), "the low", hearth.Temperature(0), hearth.IgnoreEnd(true))
	stream.Next()
	if err := stream.Close(); err != nil {
		t.Fatal(err)
	}
	if result, err := stream.Result(); err != nil || result.FinishReason != "cancelled" {
		t.Fatal(err, result)
	}
	if result, err := s.Complete(context.Background(), "the low", hearth.MaxTokens(3), hearth.IgnoreEnd(true)); err != nil || result.GeneratedTokens != 3 {
		t.Fatal(err, result)
	}
}

// A callback that panics, or leaves its goroutine, stops the answer and ends the call in the same way.
func TestACallbackThatDoesNotReturn(t *testing.T) {
	s := session(t, tinyWith(t, endless))
	for name, leave := range map[string]func(){"panics": func() { panic("mine") }, "leaves": runtime.Goexit} {
		heard := 0
		on := []hearth.Option{hearth.IgnoreEnd(true), hearth.OnPiece(func(hearth.Piece) bool { heard++; leave(); return true })}
		progress := &hearth.ModelOptions{OnProgress: func(float64) bool { heard++; leave(); return true }}
		for _, call := range []func(){
			func() { s.Complete(context.Background(), "the low", on...) },
			func() { s.StreamComplete(context.Background(), "the low", on...).Result() },
			func() {
				hearth.Open(context.Background(), filepath.Join(os.Getenv("HEARTH_CONFORMANCE"), "tiny.gguf"), progress)
			},
		} {
			var came any
			returned, done := false, make(chan struct{})
			heard = 0
			go func() {
				defer close(done)
				defer func() { came = recover() }()
				call()
				returned = true
			}()
			<-done
			if returned || (came == "mine") != (name == "panics") || heard != 1 {
				t.Error(name, returned, came, heard)
			}
			if _, err := s.Complete(context.Background(), "the low", hearth.MaxTokens(2)); err != nil {
				t.Fatal(name, err)
			}
		}
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	model := tiny(t)
	s := session(t, model)
	complete := func(option hearth.Option) error {
		_, err := s.Complete(context.Background(), "x", hearth.MaxTokens(1), option)
		return err
	}
	_, summary := model.MetadataSummary(-1)
	_, score := model.ScoreTokens(context.Background(), []hearth.Token{1, 2}, -1)
	for i, err := range []error{complete(hearth.MaxTokens(-1)), complete(hearth.TopK(1 << 40)), complete(hearth.PenaltyWindow(-1 << 40)), summary, score} {
		var fault *hearth.Error
		if !errors.As(err, &fault) || fault.Status != hearth.Usage {
			t.Fatal(i, err)
		}
	}
}

func TestTextsAreNotCutAtANul(t *testing.T) {
	model := tiny(t)
	s := session(t, model)
	_, open := hearth.Open(context.Background(), os.Getenv("HEARTH_CONFORMANCE")+"/tiny.gguf\x00x", nil)
	_, key := model.Metadata("general.name\x00x")
	_, adapter := model.OpenAdapter(os.Getenv("HEARTH_CONFORMANCE") + "/tiny-adapter.gguf\x00x")
	_, template := hearth.RenderTemplate("a\x00{{", map[string]any{})
	_, stop := s.Complete(context.Background(), "x", hearth.Stop("a\x00b"))
	_, before := model.Score(context.Background(), "a\x00b", []string{"c"})
	_, after := model.Score(context.Background(), "a", []string{"c\x00d"})
	for i, err := range []error{open, key, adapter, template, stop, before, after, s.SetSystem("a\x00b")} {
		var fault *hearth.Error
		if !errors.As(err, &fault) || fault.Status != hearth.BadInput {
			t.Fatal(i, err)
		}
	}
}
