package execution

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/model"
)

const (
	defaultToolTimeout = 30 * time.Second
	// maxToolResult is how much of an answer the model is given, in bytes.
	maxToolResult = 1 << 20
	// maxToolExcerpt is how much of an error's answer it is given.
	maxToolExcerpt = 2000
)

// httpTool makes one HTTP request a call.
type httpTool struct {
	client  *http.Client
	method  string
	url     *urlTemplate
	header  http.Header
	timeout time.Duration
	body    string
	// parameters are what the body's template sees beside the arguments.
	parameters map[string]string
	// absent is what it sees of optional arguments that were left out.
	absent map[string]any
}

// bindHTTP resolves all that a Tool of type http refers to.
func (x *run) bindHTTP(ctx context.Context, object *arkv1alpha1.Tool) (*tool, error) {
	spec := object.Spec.HTTP
	if spec == nil {
		return nil, errors.New("the Tool is of type http, but has no http block")
	}
	h := &httpTool{client: x.http.Tool, method: string(spec.Method), header: http.Header{}, body: spec.Body}
	if h.method == "" {
		h.method = http.MethodGet
	}
	var err error
	if h.url, err = parseURL(spec.URL); err != nil {
		return nil, fmt.Errorf("http.url: %w", err)
	}
	if h.timeout, err = toolTimeout(spec.Timeout); err != nil {
		return nil, fmt.Errorf("http.timeout: %w", err)
	}
	values := x.values.In(object.Namespace)
	if err := values.Headers(ctx, spec.Headers, h.header); err != nil {
		x.warnParameter(err)
		return nil, fmt.Errorf("http.headers: %w", err)
	}
	for name := range h.header {
		values.Secrets().AddHeader(name, h.header.Get(name))
	}
	if h.parameters, err = values.Parameters(ctx, spec.BodyParameters); err != nil {
		x.warnParameter(err)
		return nil, fmt.Errorf("http.bodyParameters: %w", err)
	}
	if _, err := parseTemplate("http.body", spec.Body, &budget{ctx: ctx}); err != nil {
		return nil, err
	}
	if schema := object.Spec.InputSchema; spec.Body != "" && schema != nil && len(schema.Raw) > 0 {
		if h.absent, err = optionalArguments(schema.Raw); err != nil {
			return nil, err
		}
	}
	return &tool{definition: model.Tool{Parameters: noParameters}, invoke: h.call}, nil
}

// toolTimeout understands 30s, 5m, 1h, and a bare number of seconds.
func toolTimeout(text string) (time.Duration, error) {
	if text == "" {
		return defaultToolTimeout, nil
	}
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, nil
	}
	timeout, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a time such as 30s: %w", text, err)
	}
	return timeout, nil
}

var errToolTimeout = errors.New("the tool's timeout has passed")

func (h *httpTool) call(ctx context.Context, arguments map[string]any) (string, error) {
	address, err := h.url.expand(arguments)
	if err != nil {
		return "", err
	}
	body, err := h.renderBody(ctx, arguments)
	if err != nil {
		return "", err
	}
	limited, cancel := context.WithTimeoutCause(ctx, h.timeout, errToolTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, h.method, address, body)
	if err != nil {
		return "", fmt.Errorf("make the request: %w", err)
	}
	for name, values := range h.header {
		req.Header[name] = values
	}
	if host := h.header.Get("Host"); host != "" {
		req.Host = host
	}
	status, text, err := h.do(req)
	switch {
	case errors.Is(context.Cause(limited), errToolTimeout):
		return "", fmt.Errorf("no answer within %s", h.timeout)
	case err != nil:
		return "", err
	case status < 200 || status > 299:
		return "", fmt.Errorf("HTTP %d %s: %s", status, http.StatusText(status), clip(text, maxToolExcerpt))
	}
	return text, nil
}

func (h *httpTool) renderBody(ctx context.Context, arguments map[string]any) (io.Reader, error) {
	if h.body == "" {
		return http.NoBody, nil
	}
	data := make(map[string]any, len(h.parameters)+1)
	for name, value := range h.parameters {
		data[name] = value
	}
	data["input"] = withAbsent(arguments, h.absent)
	text, err := render(ctx, "http.body", h.body, data)
	if err != nil {
		return nil, err
	}
	return strings.NewReader(text), nil
}

// do makes the request and reads as much of the answer as a model is given.
func (h *httpTool) do(req *http.Request) (int, string, error) {
	res, err := h.client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("make the request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxToolResult+1))
	if err != nil {
		return 0, "", fmt.Errorf("read the answer: %w", err)
	}
	if len(raw) <= maxToolResult {
		return res.StatusCode, strings.ToValidUTF8(string(raw), "\uFFFD"), nil
	}
	end := maxToolResult
	for end > maxToolResult-utf8.UTFMax && !utf8.RuneStart(raw[end]) {
		end--
	}
	text := strings.ToValidUTF8(string(raw[:end]), "\uFFFD")
	return res.StatusCode, text + fmt.Sprintf("\n[cut: the answer is larger than %d bytes]", maxToolResult), nil
}
