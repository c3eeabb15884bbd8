package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

func get(t *testing.T, client *http.Client, address string, header http.Header) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	res, err := client.Do(req)
	if err == nil {
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	return res, err
}

// A name is resolved when dialling, and its address refused then: nothing may
// reach the server.
func TestClientsRefuseLoopback(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer server.Close()
	clients := NewClients(t.Context(), Policy{})
	defer clients.CloseIdleConnections()
	byName := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	for _, address := range []string{server.URL, byName} {
		for name, client := range map[string]*http.Client{"model": clients.Model, "tool": clients.Tool} {
			if _, err := get(t, client, address, nil); !errors.Is(err, ErrRefused) {
				t.Errorf("%s client, %s: error %v, want ErrRefused", name, address, err)
			}
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests reached the server", hits.Load())
	}
}

func TestClientsAllowLoopback(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	clients := NewClients(t.Context(), Policy{AllowLoopback: true})
	defer clients.CloseIdleConnections()
	for name, client := range map[string]*http.Client{"model": clients.Model, "tool": clients.Tool} {
		res, err := get(t, client, server.URL, nil)
		if err != nil {
			t.Errorf("%s client: %v", name, err)
			continue
		}
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s client: status %d", name, res.StatusCode)
		}
	}
}

// The proxy of the environment would make the check of addresses void.
func TestClientsIgnoreProxies(t *testing.T) {
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	clients := NewClients(context.Background(), Policy{AllowLoopback: true})
	defer clients.CloseIdleConnections()
	if _, err := get(t, clients.Tool, "http://169.254.169.254/latest", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
	if proxied.Load() != 0 {
		t.Error("the request went to the proxy")
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var got http.Header
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer other.Close()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/end", http.StatusFound) })
	mux.HandleFunc("/end", func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/metadata", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	clients := NewClients(t.Context(), Policy{AllowLoopback: true})
	defer clients.CloseIdleConnections()
	header := http.Header{"X-Api-Key": {"secret"}, "Accept": {"text/plain"}}

	if _, err := get(t, clients.Tool, server.URL+"/same?token=secret", header); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Api-Key") != "secret" || got.Get("Referer") != "" {
		t.Errorf("same host: headers %v, want X-Api-Key and no Referer", got)
	}
	if _, err := get(t, clients.Tool, server.URL+"/other?token=secret", header); err != nil {
		t.Fatal(err)
	}
	if got.Get("X-Api-Key") != "" || got.Get("Referer") != "" || got.Get("Accept") != "text/plain" {
		t.Errorf("other host: headers %v, want Accept only", got)
	}
	if _, err := get(t, clients.Tool, server.URL+"/loop", nil); err == nil || !strings.Contains(err.Error(), "5 redirects") {
		t.Errorf("loop: error %v", err)
	}
	if _, err := get(t, clients.Tool, server.URL+"/metadata", nil); !errors.Is(err, ErrRefused) {
		t.Errorf("metadata: error %v, want ErrRefused", err)
	}
}

// A body is sent again only to the host that it was meant for.
func TestRedirectsWithBody(t *testing.T) {
	t.Parallel()
	var gotOther, gotSame atomic.Int32
	count := func(hits *atomic.Int32) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			if body, err := io.ReadAll(r.Body); err == nil && string(body) == "secret" {
				hits.Add(1)
			}
		}
	}
	other := httptest.NewServer(count(&gotOther))
	defer other.Close()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/end", count(&gotSame))
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/end", http.StatusTemporaryRedirect)
	})
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		mux.HandleFunc(fmt.Sprintf("/%d", status), func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
	}
	clients := NewClients(t.Context(), Policy{AllowLoopback: true})
	defer clients.CloseIdleConnections()
	tests := []struct {
		path, body string
		refused    bool
	}{
		{"/same", "secret", false},
		{"/302", "secret", false}, // Becomes a GET.
		{"/307", "secret", true},
		{"/308", "secret", true},
		{"/307", "", false},
	}
	for _, tt := range tests {
		res, err := clients.Model.Post(server.URL+tt.path, "text/plain", strings.NewReader(tt.body))
		if errors.Is(err, ErrRefused) != tt.refused || (err != nil) != tt.refused {
			t.Errorf("%s with %q: error %v, refused should be %t", tt.path, tt.body, err, tt.refused)
		}
		if err == nil {
			_ = res.Body.Close()
		}
	}
	if gotSame.Load() != 1 || gotOther.Load() != 0 {
		t.Errorf("the body came to the host itself %d times, to the other %d times", gotSame.Load(), gotOther.Load())
	}
}

func TestRedirectOutOfTLS(t *testing.T) {
	t.Parallel()
	from := &http.Request{URL: &url.URL{Scheme: "https", Host: "a"}}
	to := &http.Request{URL: &url.URL{Scheme: "http", Host: "a"}, Header: http.Header{}}
	if err := checkRedirect(to, []*http.Request{from}); !errors.Is(err, ErrRefused) {
		t.Errorf("error %v, want ErrRefused", err)
	}
}
