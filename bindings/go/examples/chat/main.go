package main

import (
	"context"
	"fmt"
	"log"
	"os"

	hearth "openhearth"
)

func main() {
	ctx := context.Background()
	model, err := hearth.Open(ctx, os.ExpandEnv("$HOME/.local/share/hearth/models/SmolLM2-135M-Instruct.Q4_1.gguf"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	session, err := model.NewSession(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	stream := session.StreamSay(ctx, "What is the capital of France?", hearth.Temperature(0), hearth.MaxTokens(40))
	for stream.Next() {
		fmt.Print(stream.Piece().Text)
	}
	result, err := stream.Result()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("\n", result.GeneratedTokens, "tokens,", result.FinishReason)
}
