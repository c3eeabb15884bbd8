package certs

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// contextName is the name of the only cluster, user and context in a kubeconfig.
const contextName = "ark"

// WriteKubeconfig writes a file with which kubectl reaches the server at url (as
// in https://127.0.0.1:6443) as its administrator. It holds the key: mode 0600.
func WriteKubeconfig(file, url string, files Files) error {
	authority, err := os.ReadFile(files.Authority)
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	admin, err := os.ReadFile(files.Admin)
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	p, err := parsePair(admin, admin)
	if err != nil {
		return fmt.Errorf("write kubeconfig: read %s: %w", files.Admin, err)
	}
	key, err := p.keyPEM()
	if err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = &clientcmdapi.Cluster{Server: url, CertificateAuthorityData: authority}
	config.AuthInfos[contextName] = &clientcmdapi.AuthInfo{ClientCertificateData: p.certPEM(), ClientKeyData: key}
	config.Contexts[contextName] = &clientcmdapi.Context{Cluster: contextName, AuthInfo: contextName, Namespace: "default"}
	config.CurrentContext = contextName
	text, err := clientcmd.Write(*config)
	if err != nil {
		return fmt.Errorf("encode kubeconfig: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return writeFile(file, text)
}
