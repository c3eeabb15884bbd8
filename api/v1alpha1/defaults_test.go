package v1alpha1

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestDefaults(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	approval := func(action ToolApprovalTimeoutAction) *ToolApprovalConfig {
		return &ToolApprovalConfig{Required: true, OnTimeout: action}
	}
	jwt := func(key string, algorithm SigningAlgorithm) *ClientCredentials {
		return &ClientCredentials{ClientAuthentication: ClientAuthentication{PrivateKeyJWT: &PrivateKeyJWT{
			SecretKeyRef: PrivateKeySecretRef{Name: "k", Key: key}, Algorithm: algorithm,
		}}}
	}
	tests := []struct {
		name      string
		obj, want runtime.Object
	}{
		{"Query", &Query{}, &Query{Spec: QuerySpec{Type: QueryTypeUser, Timeout: "5m"}}},
		{"Query with its own", &Query{Spec: QuerySpec{Type: QueryTypeMessages, Timeout: "90s", TTL: "1h"}},
			&Query{Spec: QuerySpec{Type: QueryTypeMessages, Timeout: "90s", TTL: "1h"}}},
		{"Model", &Model{}, &Model{Spec: ModelSpec{Type: ModelTypeCompletions, PollInterval: "1m"}}},
		{"Model with its own", &Model{Spec: ModelSpec{Type: ModelTypeAzure, PollInterval: "5m"}},
			&Model{Spec: ModelSpec{Type: ModelTypeAzure, PollInterval: "5m"}}},
		{"Agent", &Agent{}, &Agent{}},
		{"Agent with approval", &Agent{Spec: AgentSpec{Tools: []AgentTool{{Approval: approval("")}, {}}}},
			&Agent{Spec: AgentSpec{Tools: []AgentTool{{Approval: approval(ApprovalReject)}, {}}}}},
		{"Tool", &Tool{}, &Tool{}},
		{"Tool over HTTP", &Tool{Spec: ToolSpec{HTTP: &HTTPSpec{}, Approval: approval(ApprovalProceed)}},
			&Tool{Spec: ToolSpec{HTTP: &HTTPSpec{Method: MethodGet}, Approval: approval(ApprovalProceed)}}},
		{"Tool with its own", &Tool{Spec: ToolSpec{HTTP: &HTTPSpec{Method: MethodPost}}},
			&Tool{Spec: ToolSpec{HTTP: &HTTPSpec{Method: MethodPost}}}},
		{"MCPServer", &MCPServer{}, &MCPServer{Spec: MCPServerSpec{Transport: TransportHTTP, Timeout: "30s", PollInterval: "1m"}}},
		{"MCPServer with authorization",
			&MCPServer{Spec: MCPServerSpec{Transport: TransportSSE, Timeout: "1s", PollInterval: "2s", Authorization: &MCPAuthorization{ClientCredentials: jwt("", "")}}},
			&MCPServer{Spec: MCPServerSpec{Transport: TransportSSE, Timeout: "1s", PollInterval: "2s", Authorization: &MCPAuthorization{
				TokenSecretRef: TokenSecretRef{AccessTokenKey: "access_token"}, ClientCredentials: jwt("private.pem", SigningES256),
			}}}},
		{"A2ATask", &A2ATask{}, &A2ATask{Spec: A2ATaskSpec{Timeout: "12h", TTL: "720h", PollInterval: "5s"}}},
		{"Team", &Team{}, &Team{}},
		{"Memory", &Memory{}, &Memory{}},
		{"ArkConfig", &ArkConfig{}, &ArkConfig{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scheme.Default(tt.obj)
			if diff := cmp.Diff(tt.want, tt.obj); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
