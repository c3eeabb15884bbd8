package v1alpha1

import (
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// ValidateA2ATask checks an A2ATask as a user writes it.
func ValidateA2ATask(t *A2ATask) field.ErrorList {
	errs, ok := validateMeta(t, true)
	if !ok {
		return nil
	}
	spec := &t.Spec
	errs = append(errs, validateRequired(spec.QueryRef.Name, specPath.Child("queryRef", "name"))...)
	errs = append(errs, validateRequired(spec.A2AServerRef.Name, specPath.Child("a2aServerRef", "name"))...)
	errs = append(errs, validateRequired(spec.TaskID, specPath.Child("taskId"))...)
	errs = append(errs, ValidateTimeSpan(spec.Timeout, specPath.Child("timeout"))...)
	errs = append(errs, validateRetention(spec.TTL, specPath.Child("ttl"))...)
	return append(errs, ValidateTimeSpan(spec.PollInterval, specPath.Child("pollInterval"))...)
}

// ValidateA2ATaskStatus checks the status of an A2ATask.
func ValidateA2ATaskStatus(t *A2ATask) field.ErrorList {
	status, path := &t.Status, field.NewPath("status")
	errs := validateOptionalEnum(status.Phase, path.Child("phase"), A2ATaskPending, A2ATaskAssigned, A2ATaskRunning,
		A2ATaskInputRequired, A2ATaskAuthRequired, A2ATaskCompleted, A2ATaskFailed, A2ATaskCancelled, A2ATaskUnknown)
	errs = append(errs, validateOptionalEnum(status.ProtocolState, path.Child("protocolState"), A2AStateSubmitted,
		A2AStateWorking, A2AStateInputRequired, A2AStateCompleted, A2AStateCanceled, A2AStateFailed,
		A2AStateRejected, A2AStateAuthRequired, A2AStateUnknown)...)
	for i, artifact := range status.Artifacts {
		at := path.Child("artifacts").Index(i)
		errs = append(errs, validateRequired(artifact.ArtifactID, at.Child("artifactId"))...)
		errs = append(errs, validateParts(artifact.Parts, at.Child("parts"))...)
	}
	for i := range status.History {
		errs = append(errs, validateMessage(&status.History[i], path.Child("history").Index(i))...)
	}
	if status.LastStatusMessage != nil {
		errs = append(errs, validateMessage(status.LastStatusMessage, path.Child("lastStatusMessage"))...)
	}
	return append(errs, ValidateConditions(status.Conditions)...)
}

func validateMessage(m *A2AMessage, path *field.Path) field.ErrorList {
	errs := validateEnum(m.Role, path.Child("role"), A2ARoleUser, A2ARoleAgent, A2ARoleSystem)
	return append(errs, validateParts(m.Parts, path.Child("parts"))...)
}

func validateParts(parts []A2APart, path *field.Path) field.ErrorList {
	if parts == nil {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	for i, part := range parts {
		errs = append(errs, validateEnum(part.Kind, path.Index(i).Child("kind"), A2APartText, A2APartFile, A2APartData)...)
	}
	return errs
}
