// github.com/donovanhide/eventsource comes back by itself, and has no watch for silence.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/donovanhide/eventsource"
)

func main() {
	request, err := http.NewRequest("GET", os.Getenv("CLIENT_URL"), nil)
	if err != nil {
		panic(err)
	}
	if token := os.Getenv("CLIENT_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	stream, err := eventsource.SubscribeWithRequest("", request)
	if err != nil {
		panic(err)
	}
	go func() {
		for err := range stream.Errors {
			fmt.Println("gone", err)
		}
	}()
	for event := range stream.Events {
		fmt.Println("event", event.Event(), event.Id())
	}
}
