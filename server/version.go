package server

import (
	"fmt"

	apimachineryversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/apiserver/pkg/util/compatibility"
	basecompatibility "k8s.io/component-base/compatibility"
)

// kubernetesVersion tells clients which release of Kubernetes this API behaves
// like. The release that is built into the libraries is one of Kubernetes' own
// builds only; elsewhere it is a placeholder that clients warn about.
type kubernetesVersion struct {
	basecompatibility.EffectiveVersion
}

func effectiveVersion() basecompatibility.EffectiveVersion {
	return kubernetesVersion{compatibility.DefaultBuildEffectiveVersion()}
}

// Info is what /version answers.
func (v kubernetesVersion) Info() *apimachineryversion.Info {
	info := v.EffectiveVersion.Info()
	if info == nil {
		return nil
	}
	out := *info
	out.GitVersion = fmt.Sprintf("v%s.%s.0+ark", info.Major, info.Minor)
	out.GitCommit, out.GitTreeState = "", ""
	return &out
}
