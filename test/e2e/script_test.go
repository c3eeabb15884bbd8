package e2e_test

import "k8s.io/apimachinery/pkg/types"

// step is one request of the script that both backends must answer alike.
type step struct {
	name, verb, kind string
	object           string // YAML
	target           string // name, where there is no object
	patch            types.PatchType
	body             string
	subresources     []string
	manager          string
	force            bool
	dryRun           bool
	stale            bool
	validation       string
}

// lastMark is in the last event of every watch.
const lastMark = "the-end"

func agentOf(name, metadata, spec string) string {
	return "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Agent\nmetadata: {name: " + name + metadata + "}\nspec: {" + spec + "}\n"
}

func queryOf(name, spec string) string {
	return "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Query\nmetadata: {name: " + name +
		", annotations: {ark.mckinsey.com/hold: \"true\"}}\nspec: {" + spec + "}\n"
}

// script grows with what must be the same: queries are held, so that nobody
// executes them meanwhile.
var script = []step{
	{name: "create", verb: "create", kind: "agents", object: agentOf("one", ", labels: {team: blue}", "prompt: first")},
	{name: "create again", verb: "create", kind: "agents", object: agentOf("one", "", "prompt: other")},
	{name: "get", verb: "get", kind: "agents", target: "one"},
	{name: "get nothing", verb: "get", kind: "agents", target: "nobody"},
	{name: "update", verb: "update", kind: "agents", object: agentOf("one", ", labels: {team: blue}", "prompt: second, modelRef: {name: default}")},
	{name: "update to the same", verb: "update", kind: "agents", object: agentOf("one", ", labels: {team: blue}", "prompt: second, modelRef: {name: default}")},
	{name: "update an old one", verb: "update", kind: "agents", stale: true, object: agentOf("one", "", "prompt: stale, modelRef: {name: default}")},
	{name: "stops matching", verb: "patch", kind: "agents", target: "one", patch: types.MergePatchType, body: `{"metadata":{"labels":{"team":"red"}}}`},
	{name: "changes unmatched", verb: "patch", kind: "agents", target: "one", patch: types.MergePatchType, body: `{"spec":{"prompt":"third"}}`},
	{name: "matches again", verb: "patch", kind: "agents", target: "one", patch: types.JSONPatchType, body: `[{"op":"replace","path":"/metadata/labels/team","value":"blue"}]`},
	{name: "a patch that does not fit", verb: "patch", kind: "agents", target: "one", patch: types.JSONPatchType, body: `[{"op":"test","path":"/spec/prompt","value":"never"}]`},
	{name: "a dry run", verb: "create", kind: "agents", dryRun: true, object: agentOf("dry", "", "prompt: p")},
	{name: "a dry patch", verb: "patch", kind: "agents", target: "one", dryRun: true, patch: types.MergePatchType, body: `{"spec":{"prompt":"dry"}}`},
	{name: "an unknown field, strictly", verb: "create", kind: "agents", validation: "Strict", object: agentOf("strict", "", "prompt: p, colour: blue")},
	{name: "an unknown field, ignored", verb: "create", kind: "agents", validation: "Ignore", object: agentOf("ignored", "", "prompt: p, colour: blue")},
	{name: "a wrong enum", verb: "create", kind: "agents", object: agentOf("wrong", "", "prompt: p, tools: [{type: pigeon, name: x}]")},
	{name: "a wrong name", verb: "create", kind: "agents", object: agentOf("Not_A_Name", "", "prompt: p")},
	{name: "status through the object", verb: "patch", kind: "agents", target: "one", patch: types.MergePatchType, body: `{"status":{"conditions":[{"type":"X","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`},
	{name: "status", verb: "patch", kind: "agents", target: "one", subresources: []string{"status"}, patch: types.MergePatchType, body: `{"spec":{"prompt":"by status"},"status":{"conditions":[{"type":"X","status":"True","reason":"R","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`},
	{name: "apply", verb: "apply", kind: "agents", manager: "one", object: agentOf("applied", ", labels: {team: blue}", "prompt: by one, description: d")},
	{name: "apply the same", verb: "apply", kind: "agents", manager: "one", object: agentOf("applied", ", labels: {team: blue}", "prompt: by one, description: d")},
	{name: "apply in conflict", verb: "apply", kind: "agents", manager: "two", object: agentOf("applied", "", "prompt: by two")},
	{name: "apply by force", verb: "apply", kind: "agents", manager: "two", force: true, object: agentOf("applied", "", "prompt: by two")},
	{name: "apply less", verb: "apply", kind: "agents", manager: "one", object: agentOf("applied", ", labels: {team: blue}", "")},
	{name: "finalizers", verb: "create", kind: "agents", object: agentOf("final", ", finalizers: [example.com/wait]", "prompt: p")},
	{name: "delete with a finalizer", verb: "delete", kind: "agents", target: "final"},
	{name: "delete it again", verb: "delete", kind: "agents", target: "final"},
	{name: "remove the finalizer", verb: "patch", kind: "agents", target: "final", patch: types.MergePatchType, body: `{"metadata":{"finalizers":null}}`},
	{name: "delete nothing", verb: "delete", kind: "agents", target: "final"},
	{name: "delete, dry", verb: "delete", kind: "agents", target: "one", dryRun: true},
	{name: "a model of old", verb: "create", kind: "models", object: "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Model\nmetadata: {name: old}\nspec: {type: openai, model: {value: m}, config: {openai: {baseUrl: {value: \"https://example.com\"}, apiKey: {value: k}}}}\n"},
	{name: "a model without a config", verb: "create", kind: "models", object: "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Model\nmetadata: {name: bad}\nspec: {provider: openai, model: {value: m}, config: {}}\n"},
	{name: "a tool", verb: "create", kind: "tools", object: "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Tool\nmetadata: {name: t}\nspec: {type: http, http: {url: \"https://example.com/{x}\"}}\n"},
	{name: "a tool without its block", verb: "create", kind: "tools", object: "apiVersion: ark.mckinsey.com/v1alpha1\nkind: Tool\nmetadata: {name: bad}\nspec: {type: http}\n"},
	{name: "a query", verb: "create", kind: "queries", object: queryOf("q", "input: hi, target: {type: agent, name: one}")},
	{name: "a query without a target", verb: "create", kind: "queries", object: queryOf("bad", "input: hi")},
	{name: "a query to nobody", verb: "create", kind: "queries", object: queryOf("lost", "input: hi, target: {type: agent, name: nobody}")},
	{name: "a query of old", verb: "create", kind: "queries", object: queryOf("old", "type: messages, input: [{role: user, content: hi}], target: {type: agent, name: one}")},
	{name: "a query is edited", verb: "patch", kind: "queries", target: "q", patch: types.MergePatchType, body: `{"spec":{"ttl":"1h"}}`},
	{name: "delete some", verb: "deleteAll", kind: "agents", body: "team=none"},
	{name: "the last agent", verb: "patch", kind: "agents", target: "one", patch: types.MergePatchType, body: `{"spec":{"prompt":"` + lastMark + `"}}`},
	{name: "the last query", verb: "patch", kind: "queries", target: "q", patch: types.MergePatchType, body: `{"metadata":{"labels":{"mark":"` + lastMark + `"}}}`},
}
