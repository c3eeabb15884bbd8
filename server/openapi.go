package server

import (
	"k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"

	arkopenapi "mckinsey.com/ark/gen/openapi"
)

// applyOpenAPI describes the API in both versions of OpenAPI: kubectl explain,
// validation by clients and server-side apply read them.
func applyOpenAPI(config *genericapiserver.Config) {
	namer := openapi.NewDefinitionNamer(scheme)
	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(arkopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIConfig.Info.Title = "Ark"
	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(arkopenapi.GetOpenAPIDefinitions, namer)
	config.OpenAPIV3Config.Info.Title = "Ark"
}
