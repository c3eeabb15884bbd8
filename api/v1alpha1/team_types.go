package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Strategies of a Team. Only sequential and selector are not deprecated.
const (
	// StrategySequential lets the members speak one after the other.
	StrategySequential = "sequential"
	// StrategySelector lets an Agent choose who speaks next.
	StrategySelector = "selector"
	// StrategyRoundRobin is deprecated: sequential with loops.
	StrategyRoundRobin = "round-robin"
	// StrategyGraph is deprecated: it is executed as sequential.
	StrategyGraph = "graph"
)

// Types of a Team's members.
const (
	MemberAgent = "agent"
	MemberTeam  = "team"
)

// ReasonMemberNotFound is the reason of a Team's Available condition when a member
// does not exist.
const ReasonMemberNotFound = "MemberNotFound"

// TeamMember is an Agent or another Team that takes part in a Team.
type TeamMember struct {
	// Name of the Agent or Team, in the Team's namespace.
	Name string `json:"name"`
	// Type of the member: agent or team.
	Type string `json:"type"`
}

// TeamSelectorSpec says how the next member is chosen.
type TeamSelectorSpec struct {
	// Agent that chooses.
	// +optional
	Agent string `json:"agent,omitempty"`
	// SelectorPrompt is a Go template of what the Agent is asked; it may refer to
	// {{ .Roles }}, {{ .Participants }} and {{ .History }}.
	// +optional
	SelectorPrompt string `json:"selectorPrompt,omitempty"`
	// EnableTerminateTool gives the Agent a tool that ends the conversation.
	// +optional
	EnableTerminateTool *bool `json:"enableTerminateTool,omitempty"`
	// TerminatePrompt tells the Agent when to end the conversation.
	// +optional
	TerminatePrompt string `json:"terminatePrompt,omitempty"`
}

// TeamGraphEdge allows one member to speak after another.
type TeamGraphEdge struct {
	// From is the member that has spoken.
	From string `json:"from"`
	// To is the member that may speak next.
	To string `json:"to"`
}

// TeamGraphSpec limits who may speak after whom.
type TeamGraphSpec struct {
	// Edges from one member to the next.
	// +listType=atomic
	Edges []TeamGraphEdge `json:"edges"`
}

// TeamSpec says who takes part and who speaks when.
type TeamSpec struct {
	// Members that take part, in their order.
	// +listType=atomic
	Members []TeamMember `json:"members"`
	// Strategy that decides who speaks: sequential or selector. round-robin and
	// graph are deprecated and rewritten.
	Strategy string `json:"strategy"`
	// Description for people, and for the agents and teams that may call on it.
	// +optional
	Description string `json:"description,omitempty"`
	// Loops begins again with the first member when the last has spoken, until
	// maxTurns is reached or somebody terminates. Only for sequential.
	// +default=false
	Loops bool `json:"loops"`
	// MaxTurns after which the conversation ends. Needed with loops and with the
	// strategy selector.
	// +optional
	MaxTurns *int32 `json:"maxTurns,omitempty"`
	// Selector says how the next member is chosen, for the strategy selector.
	// +optional
	Selector *TeamSelectorSpec `json:"selector,omitempty"`
	// Graph limits who may speak after whom, for the strategy selector.
	// +optional
	Graph *TeamGraphSpec `json:"graph,omitempty"`
}

// TeamStatus tells whether a Team has what it needs.
type TeamStatus struct {
	// Conditions: Available says whether all members are there.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Team is a conversation of several Agents and Teams that together answer Queries.
//
// +kubebuilder:resource:path=teams,singular=team,categories=ark
// +kubebuilder:subresource:status
// +genclient
// +kubebuilder:printcolumn:name="Strategy",type=string,JSONPath=`.spec.strategy`
// +kubebuilder:printcolumn:name="Available",type=string,JSONPath=`.status.conditions[?(@.type=="Available")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type Team struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says who takes part and who speaks when.
	Spec TeamSpec `json:"spec,omitempty"`
	// Status tells whether the Team has what it needs.
	// +optional
	Status TeamStatus `json:"status,omitempty,omitzero"`
}

// TeamList is a list of Teams.
//
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object
type TeamList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items of the list.
	Items []Team `json:"items"`
}
