package server

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/common"

	arkopenapi "mckinsey.com/ark/gen/openapi"
)

// applyOpenAPI describes the API in both versions of OpenAPI: kubectl explain,
// validation by clients and server-side apply read them.
func applyOpenAPI(config *genericapiserver.Config) {
	namer := openapi.NewDefinitionNamer(scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.Info.Title = "Ark"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.Info.Title = "Ark"
}

// definitions are the generated ones, but for the description of a type that
// holds any object: Kubernetes' own explains at length how it works in Go, and
// kubectl explain prints that below what the field is for.
func definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	all := arkopenapi.GetOpenAPIDefinitions(ref)
	name := runtime.RawExtension{}.OpenAPIModelName()
	raw := all[name]
	raw.Schema.Description = "Any object, kept as it is written."
	all[name] = raw
	return all
}
