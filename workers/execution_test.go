package workers

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"mckinsey.com/ark/api/install"
	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
	"mckinsey.com/ark/internal/demomodel"
	"mckinsey.com/ark/internal/egress"
	"mckinsey.com/ark/internal/execution"
)

func target(kind arkv1alpha1.TargetType, name, input string) func(*arkv1alpha1.Query) {
	return func(q *arkv1alpha1.Query) {
		q.Spec.Target = &arkv1alpha1.QueryTarget{Type: kind, Name: name}
		q.Spec.Input = apiextensionsv1.JSON{Raw: []byte(`"` + input + `"`)}
	}
}

// realRunner executes against model servers on this machine: a good one, and one
// that never answers.
func realRunner(t *testing.T) (*execution.Runner, <-chan struct{}) {
	t.Helper()
	good := httptest.NewServer(demomodel.Handler(demomodel.Options{}))
	t.Cleanup(good.Close)
	asked := make(chan struct{}, 10)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		// Only once the request is read does the server notice that the client hangs up.
		_, _ = io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)

	clients := egress.NewClients(t.Context(), egress.Policy{AllowLoopback: true})
	t.Cleanup(clients.CloseIdleConnections)
	scheme := runtime.NewScheme()
	if err := install.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		newModel("default", good.URL+"/v1"), newModel("silent", silent.URL+"/v1"), weatherAgent(), weatherTool(good.URL)).Build()
	return execution.New(execution.Options{Reader: reader, HTTP: clients}), asked
}

func newModel(name, baseURL string) client.Object {
	return &arkv1alpha1.Model{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name},
		Spec: arkv1alpha1.ModelSpec{
			Provider: "openai", Model: arkv1alpha1.ValueSource{Value: demomodel.ModelID},
			Config: arkv1alpha1.ModelConfig{OpenAI: &arkv1alpha1.OpenAIModelConfig{
				BaseURL: arkv1alpha1.ValueSource{Value: baseURL}, APIKey: arkv1alpha1.ValueSource{Value: "key"},
			}},
		},
	}
}

func weatherAgent() client.Object {
	return &arkv1alpha1.Agent{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "weather"},
		Spec: arkv1alpha1.AgentSpec{
			Prompt:   "You tell the weather.",
			ModelRef: &arkv1alpha1.AgentModelRef{Name: "default"},
			Tools:    []arkv1alpha1.AgentTool{{Type: "http", Name: "get-weather"}},
		},
	}
}

func weatherTool(server string) client.Object {
	return &arkv1alpha1.Tool{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "get-weather"},
		Spec: arkv1alpha1.ToolSpec{
			Type:        "http",
			InputSchema: &runtime.RawExtension{Raw: []byte(`{"type":"object","properties":{"city":{"type":"string"}}}`)},
			HTTP:        &arkv1alpha1.HTTPSpec{URL: server + "/demo/weather?city={city}"},
		},
	}
}

// A Query goes all the way: from the queue to a model and a tool over HTTP, and
// its answer into the status.
func TestRealExecution(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	runner, _ := realRunner(t)
	f.start(runner)
	q := f.create(newQuery("team", "weather", target(arkv1alpha1.TargetAgent, "weather", "What is the weather in Paris?")))
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryDone, arkv1alpha1.ReasonQuerySucceeded)
	if r := got.Status.Response; r == nil || !strings.Contains(r.Content, "Paris") || r.Target.Name != "weather" || got.Status.TokenUsage.TotalTokens == 0 {
		t.Errorf("unexpected status: %+v", got.Status)
	}
	f.outcomes(q, "done")
	var kinds []string
	for _, turn := range f.turns(q) {
		kinds = append(kinds, turn.Kind)
	}
	if want := "model tool model"; strings.Join(kinds, " ") != want {
		t.Errorf("turns are %v, want %s", kinds, want)
	}
}

func TestRealExecutionTimesOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	runner, _ := realRunner(t)
	f.start(runner)
	q := f.create(newQuery("team", "slow", target(arkv1alpha1.TargetModel, "silent", "hello"),
		func(q *arkv1alpha1.Query) { q.Spec.Timeout = "1500ms" }))
	got := f.ended(key(q))
	checkEnd(t, got, arkv1alpha1.QueryError, arkv1alpha1.ReasonTimedOutInExecution)
	if !strings.Contains(got.Status.Response.Content, "1.5s") {
		t.Errorf("the response does not tell: %s", got.Status.Response.Content)
	}
	f.outcomes(q, "error")
}

// A cancel cuts the call of the model off.
func TestRealExecutionIsCanceled(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	runner, asked := realRunner(t)
	f.start(runner)
	q := f.create(newQuery("team", "slow", target(arkv1alpha1.TargetModel, "silent", "hello")))
	<-asked
	f.update(key(q), cancelQuery)
	checkEnd(t, f.ended(key(q)), arkv1alpha1.QueryCanceled, arkv1alpha1.ReasonQueryCanceled)
	f.outcomes(q, "canceled")
}
