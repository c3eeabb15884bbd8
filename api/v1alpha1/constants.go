package v1alpha1

// Annotations that users and controllers of Ark set on its objects.
const (
	// AnnotationPrefix starts every annotation of Ark.
	AnnotationPrefix = GroupName + "/"

	// AnnotationHold keeps a Query out of the queue while its value is "true".
	AnnotationHold = AnnotationPrefix + "hold"
	// AnnotationPriority orders a Query in the queue: an integer from -10 to 10,
	// higher is sooner, 0 if absent.
	AnnotationPriority = AnnotationPrefix + "priority"

	// AnnotationMigrationWarningPrefix starts the annotations that record what a
	// migration of deprecated fields did; their values are returned as warnings.
	AnnotationMigrationWarningPrefix = AnnotationPrefix + "migration-warning-"

	AnnotationA2AServerName         = AnnotationPrefix + "a2a-server-name"
	AnnotationA2AServerAddress      = AnnotationPrefix + "a2a-server-address"
	AnnotationA2AServerSkills       = AnnotationPrefix + "a2a-server-skills"
	AnnotationA2AStreamingSupported = AnnotationPrefix + "a2a-streaming-supported"
	AnnotationA2AContextID          = AnnotationPrefix + "a2a-context-id"
	// AnnotationMCPServerSettings is JSON on a Query: settings by MCPServer name.
	AnnotationMCPServerSettings    = AnnotationPrefix + "mcp-server-settings"
	AnnotationDashboardIcon        = AnnotationPrefix + "dashboard-icon"
	AnnotationService              = AnnotationPrefix + "service"
	AnnotationResources            = AnnotationPrefix + "resources"
	AnnotationQuery                = AnnotationPrefix + "query"
	AnnotationAuto                 = AnnotationPrefix + "auto"
	AnnotationQueryGeneration      = AnnotationPrefix + "query-generation"
	AnnotationQueryPhase           = AnnotationPrefix + "query-phase"
	AnnotationTriggeredFrom        = AnnotationPrefix + "triggered-from"
	AnnotationLocalhostGatewayPort = AnnotationPrefix + "localhost-gateway-port"
	AnnotationEventData            = AnnotationPrefix + "event-data"
	AnnotationStreamingEnabled     = AnnotationPrefix + "streaming-enabled"
	AnnotationStreamingURL         = AnnotationPrefix + "streaming-url"
	AnnotationStreamingSupported   = AnnotationPrefix + "streaming-supported"
	// AnnotationInlineAuthoredBy and AnnotationInlineAuthoredAt are stamped on
	// inline Tools by admission; a client's own values are replaced.
	AnnotationInlineAuthoredBy = AnnotationPrefix + "inline-authored-by"
	AnnotationInlineAuthoredAt = AnnotationPrefix + "inline-authored-at"
	// AnnotationRoundAnchor is a time in RFC 3339 with nanoseconds, on a Query.
	AnnotationRoundAnchor = AnnotationPrefix + "round-anchor"
)

// Labels that controllers set on the objects they generate.
const (
	// LabelMCPServer names the MCPServer that a Tool was discovered on.
	LabelMCPServer = "mcp/server"
	// LabelA2AServer names the A2AServer that an Agent was discovered on.
	LabelA2AServer = "a2a/server"
)

// Finalizer is never added by Ark, but removed from objects that carry it.
const Finalizer = AnnotationPrefix + "finalizer"

// EngineA2A is the reserved ExecutionEngine name of Agents behind an A2AServer.
const EngineA2A = "a2a"

// DefaultName names the objects that are used where a manifest names none: the
// Model of an Agent, the Memory of a Query, and the ArkConfig.
const DefaultName = "default"

// Condition types and reasons that more than one kind has.
const (
	// ConditionAvailable tells whether an Agent, Team, Tool or MCPServer can be used.
	ConditionAvailable = "Available"
	// ConditionDiscovering tells whether an MCPServer or A2AServer is being read.
	ConditionDiscovering = "Discovering"
	// ConditionCompleted tells whether a Query or A2ATask has come to its end.
	ConditionCompleted = "Completed"

	ReasonInitializing            = "Initializing"
	ReasonAvailable               = "Available"
	ReasonAddressResolutionFailed = "AddressResolutionFailed"
)
