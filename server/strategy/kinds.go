package strategy

// Ark returns the kinds of the group ark.mckinsey.com, of both versions.
func Ark() []Kind {
	return []Kind{
		a2aServers(), a2aTasks(), agents(), arkConfigs(), executionEngines(), mcpServers(),
		memories(), models(), queries(), teams(), tools(),
	}
}

// Core returns the kinds of the core group that the stand-alone server needs: no
// more of them than ordinary Ark manifests use.
func Core() []Kind {
	return []Kind{configMaps(), events(), namespaces(), secrets()}
}
