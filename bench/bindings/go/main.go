package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"time"

	hearth "openhearth"
)

func main() {
	ctx := context.Background()
	model, err := hearth.Open(ctx, os.Args[1], nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	session, err := model.NewSession(nil)
	if err != nil {
		log.Fatal(err)
	}
	tokens, _ := strconv.Atoi(os.Args[2])
	best := 0.0
	for i := 0; i < 3; i++ {
		var first time.Time
		stream := session.StreamComplete(ctx, "Once upon a time", hearth.Temperature(0), hearth.IgnoreEnd(true), hearth.MaxTokens(tokens))
		for stream.Next() {
			if first.IsZero() {
				first = time.Now()
			}
		}
		if _, err := stream.Result(); err != nil {
			log.Fatal(err)
		}
		best = max(best, float64(tokens-1)/time.Since(first).Seconds())
	}
	fmt.Printf("%.2f\n", best)
}
