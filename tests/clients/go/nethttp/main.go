// net/http gives bytes; reading lines, a watch for silence and coming back are one's own.
package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	seconds, _ := strconv.ParseFloat(os.Getenv("CLIENT_SILENCE_SECONDS"), 64)
	for {
		if err := follow(time.Duration(seconds * float64(time.Second))); err != nil {
			fmt.Println("gone", err)
		}
		time.Sleep(time.Duration(500+rand.Intn(500)) * time.Millisecond)
	}
}

func follow(silence time.Duration) error {
	// http.Client.Timeout would end a stream that is well.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, "GET", os.Getenv("CLIENT_URL"), nil)
	if err != nil {
		return err
	}
	if token := os.Getenv("CLIENT_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		return fmt.Errorf("%d", response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	name, id := "", ""
	for lines.Scan() {
		watch.Reset(silence)
		switch line := lines.Text(); {
		case strings.HasPrefix(line, ":"):
			fmt.Println("comment")
		case strings.HasPrefix(line, "event: "):
			name = line[7:]
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case line == "" && name != "":
			fmt.Println("event", name, id)
			name, id = "", ""
		}
	}
	return lines.Err()
}
