package openhearth

import "context"

// Stream is an answer while it is written: for stream.Next() { fmt.Print(stream.Piece().Text) }, then Result.
// Read it to its end, or Close it.
type Stream struct {
	pieces chan Piece
	done   chan struct{}
	cancel context.CancelFunc
	piece  Piece
	result *Result
	err    error
	ending // of OnPiece, where it did not return
}

func stream(ctx context.Context, options []Option, run func(context.Context, ...Option) (*Result, error)) *Stream {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &Stream{pieces: make(chan Piece), done: make(chan struct{}), cancel: cancel}
	own := settings{}
	for _, option := range options {
		option(&own)
	}
	hear := func(piece Piece) bool {
		if own.onPiece != nil && !own.onPiece(piece) {
			return false
		}
		select {
		case s.pieces <- piece:
			return true
		case <-ctx.Done():
			return false
		}
	}
	go func() {
		defer close(s.done)
		defer close(s.pieces)
		s.of(func() { s.result, s.err = run(ctx, append(options[:len(options):len(options)], OnPiece(hear))...) })
	}()
	return s
}

// StreamComplete is Complete, piece by piece.
func (s *Session) StreamComplete(ctx context.Context, prompt string, options ...Option) *Stream {
	return stream(ctx, options, func(ctx context.Context, options ...Option) (*Result, error) {
		return s.Complete(ctx, prompt, options...)
	})
}

// StreamChat is Chat, piece by piece.
func (s *Session) StreamChat(ctx context.Context, messages any, options ...Option) *Stream {
	return stream(ctx, options, func(ctx context.Context, options ...Option) (*Result, error) {
		return s.Chat(ctx, messages, options...)
	})
}

// StreamSay is Say, piece by piece.
func (s *Session) StreamSay(ctx context.Context, text string, options ...Option) *Stream {
	return stream(ctx, options, func(ctx context.Context, options ...Option) (*Result, error) { return s.Say(ctx, text, options...) })
}

// Next waits for the next piece; false at the end.
func (s *Stream) Next() bool {
	piece, more := <-s.pieces
	s.piece = piece
	return more
}

// Piece is the one that Next found.
func (s *Stream) Piece() Piece { return s.piece }

// Result waits for the end: the whole answer, or what went wrong. Where OnPiece panicked, so does it.
func (s *Stream) Result() (*Result, error) {
	for range s.pieces {
	}
	<-s.done
	s.cancel()
	s.again()
	return s.result, s.err
}

// Close cancels what is left, and waits for the end.
func (s *Stream) Close() error {
	s.cancel()
	_, err := s.Result()
	return err
}
