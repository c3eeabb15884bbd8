package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"k8s.io/klog/v2"

	"mckinsey.com/ark/test/cluster/network"
)

// logPort is where kube-apiserver asks for the logs of containers.
const logPort = 10250

// serveLogs answers kubectl logs, through kube-apiserver.
func (n *Node) serveLogs(ctx context.Context) error {
	pem, err := os.ReadFile(n.ClientCA)
	if err != nil {
		return fmt.Errorf("read the authority of the kubelet's clients: %w", err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(pem)
	certificate, err := tls.LoadX509KeyPair(n.Cert, n.Key)
	if err != nil {
		return fmt.Errorf("read the certificate of the kubelet: %w", err)
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(network.NodeIP, strconv.Itoa(logPort)), &tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return fmt.Errorf("listen for requests of logs: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", n.logs)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // everything ends
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.ErrorS(err, "Logs are served no more")
		}
	}()
	return nil
}

func (n *Node) logs(w http.ResponseWriter, r *http.Request) {
	p := n.find(r.PathValue("namespace"), r.PathValue("pod"))
	if p == nil {
		http.Error(w, "the pod is not on this node", http.StatusNotFound)
		return
	}
	for _, c := range append(append([]*instance{}, p.inits...), p.main...) {
		if c.spec.Name == r.PathValue("container") {
			c.serveLog(w, r)
			return
		}
	}
	http.Error(w, "the pod has no such container", http.StatusNotFound)
}

// serveLog sends the log of the current process, or of the one before it.
func (c *instance) serveLog(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	c.mu.Lock()
	restart, exited := c.restarts, c.exited
	c.mu.Unlock()
	if query.Get("previous") == "true" {
		if restart--; restart < 0 {
			http.Error(w, fmt.Sprintf("previous terminated container %q not found", c.spec.Name), http.StatusBadRequest)
			return
		}
	}
	file, err := os.Open(c.logFile(restart))
	if err != nil {
		http.Error(w, fmt.Sprintf("container %q is waiting to start", c.spec.Name), http.StatusBadRequest)
		return
	}
	defer func() { _ = file.Close() }()
	if lines, err := strconv.Atoi(query.Get("tailLines")); err == nil && lines >= 0 {
		if err := seekLines(file, lines); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain")
	if _, err := io.Copy(w, file); err != nil || query.Get("follow") != "true" {
		return
	}
	follow(r.Context(), w, file, exited)
}

// seekLines goes to the begin of the last lines.
func seekLines(file *os.File, lines int) error {
	content, err := io.ReadAll(file)
	if err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	at := len(content)
	for n := 0; at > 0; at-- {
		if content[at-1] == '\n' && at != len(content) {
			if n++; n == lines {
				break
			}
		}
	}
	if lines == 0 {
		at = len(content)
	}
	_, err = file.Seek(int64(at), io.SeekStart)
	return err
}

// follow sends what is added until the process has ended or nobody listens.
func follow(ctx context.Context, w http.ResponseWriter, file *os.File, exited <-chan struct{}) {
	flusher, _ := w.(http.Flusher)
	for over := false; ; {
		if _, err := io.Copy(w, file); err != nil {
			return
		}
		if flusher != nil {
			flusher.Flush()
		}
		if over {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-exited:
			over = true
		case <-time.After(100 * time.Millisecond):
		}
	}
}
