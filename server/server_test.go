package server_test

import "testing"

// TestServer runs all tests that can share a server, each in a namespace of its own.
func TestServer(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	tests := map[string]func(*testing.T, *fixture){
		"kinds":           testKinds,
		"discovery":       testDiscovery,
		"openapi":         testOpenAPI,
		"tables":          testTables,
		"status":          testStatus,
		"generation":      testGeneration,
		"invalid":         testInvalid,
		"fieldValidation": testFieldValidation,
		"patches":         testPatches,
		"apply":           testApply,
		"dryRun":          testDryRun,
		"pages":           testPages,
		"collection":      testDeleteCollection,
		"finalizers":      testFinalizers,
		"watch":           testWatch,
		"tooLarge":        testTooLarge,
		"queryBirth":      testQueryBirth,
		"queryHold":       testQueryHold,
		"queryTarget":     testQueryTarget,
		"queryTTL":        testQueryTTL,
		"migrations":      testMigrations,
		"namespaces":      testNamespaces,
		"secrets":         testSecrets,
		"configMaps":      testConfigMaps,
		"events":          testEvents,
		"users":           testUsers,
	}
	for name, run := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, f)
		})
	}
}
