// Command web is the image of the tests: it tells what a container sees.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) > 1 {
		os.Exit(once(os.Args[1:]))
	}
	serve()
}

// once does one thing and ends.
func once(args []string) int {
	switch args[0] {
	case "get": // a page, again and again until it is there
		for range 100 {
			response, err := http.Get(args[1])
			if err == nil {
				defer func() { _ = response.Body.Close() }()
				_, _ = io.Copy(os.Stdout, response.Body)
				return 0
			}
			fmt.Println(err)
			time.Sleep(100 * time.Millisecond)
		}
		return 1
	case "fail":
		fmt.Println("failing")
		return 3
	}
	return 2
}

func serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("/host", func(w http.ResponseWriter, _ *http.Request) {
		name, _ := os.Hostname()
		fmt.Fprintln(w, name, os.Getuid(), os.Getgid(), os.Getenv("GREETING"), os.Getpid())
	})
	mux.HandleFunc("/file/", func(w http.ResponseWriter, r *http.Request) {
		content, err := os.ReadFile(strings.TrimPrefix(r.URL.Path, "/file"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden) // clients print its text
			return
		}
		_, _ = w.Write(content)
	})
	mux.HandleFunc("/write/", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(strings.TrimPrefix(r.URL.Path, "/write"), []byte("x"), 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		fmt.Println("told to stop")
		_ = server.Shutdown(context.Background())
	})
	fmt.Println("serving")
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
		os.Exit(1)
	}
}
