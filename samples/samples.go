// Package samples holds the manifests that a first run applies. They are plain
// files, for people to read and apply; only the demo's own address is filled in.
package samples

import (
	"embed"
	"fmt"
	"strings"
)

// Files are the manifests.
//
//go:embed *.yaml
var Files embed.FS

// Order is the order in which they are applied: what is needed first, first.
var Order = []string{"model.yaml", "tool.yaml", "agent.yaml", "queries.yaml"}

// Names of what the manifests expect to be there: a Secret with the key
// SecretToken, and a ConfigMap with the keys ConfigBaseURL and ConfigModel.
const (
	SecretName    = "demo-model"
	SecretToken   = "token"
	ConfigMapName = "demo-model"
	ConfigBaseURL = "base-url"
	ConfigModel   = "model"
)

// urlPlaceholder stands for the root URL of the demo server.
const urlPlaceholder = "${ARK_DEMO_URL}"

// Manifests returns the manifests in Order, each file possibly with several YAML
// documents, with demoURL (a root URL such as http://127.0.0.1:4100) filled in.
func Manifests(demoURL string) ([]string, error) {
	manifests := make([]string, 0, len(Order))
	for _, name := range Order {
		content, err := Files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the sample %s: %w", name, err)
		}
		manifests = append(manifests, strings.ReplaceAll(string(content), urlPlaceholder, strings.TrimSuffix(demoURL, "/")))
	}
	return manifests, nil
}
