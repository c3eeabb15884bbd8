package workers

import (
	"encoding/json"
	"fmt"
	"reflect"

	utiljson "k8s.io/apimachinery/pkg/util/json"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// splice puts what differs between the status of two Queries, and the managed
// fields of the second, into JSON that holds more than the Go types know.
// Everything else keeps its bytes.
func splice(data []byte, old, updated *arkv1alpha1.Query) ([]byte, error) {
	var object, metadata map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("splice status: %w", err)
	}
	if err := json.Unmarshal(object["metadata"], &metadata); err != nil {
		return nil, fmt.Errorf("splice status: metadata: %w", err)
	}
	var err error
	if metadata["managedFields"], err = json.Marshal(updated.ManagedFields); err != nil {
		return nil, fmt.Errorf("splice status: managed fields: %w", err)
	}
	if object["metadata"], err = json.Marshal(metadata); err != nil {
		return nil, fmt.Errorf("splice status: metadata: %w", err)
	}
	if object["status"], err = spliceStatus(object["status"], &old.Status, &updated.Status); err != nil {
		return nil, fmt.Errorf("splice status: %w", err)
	}
	return json.Marshal(object)
}

func spliceStatus(data []byte, old, updated *arkv1alpha1.QueryStatus) ([]byte, error) {
	now := map[string]any{}
	if len(data) > 0 {
		if err := utiljson.Unmarshal(data, &now); err != nil {
			return nil, err
		}
	}
	before, err := asMap(old)
	if err != nil {
		return nil, err
	}
	after, err := asMap(updated)
	if err != nil {
		return nil, err
	}
	mergeInto(now, before, after)
	return json.Marshal(now)
}

func asMap(status *arkv1alpha1.QueryStatus) (map[string]any, error) {
	data, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	fields := map[string]any{}
	return fields, utiljson.Unmarshal(data, &fields)
}

// mergeInto makes in now the changes that lead from before to after. Fields that
// neither of them has stay.
func mergeInto(now, before, after map[string]any) {
	for name := range before {
		if _, stays := after[name]; !stays {
			delete(now, name)
		}
	}
	for name, value := range after {
		if reflect.DeepEqual(before[name], value) {
			continue
		}
		nowFields, ok := now[name].(map[string]any)
		fields, isMap := value.(map[string]any)
		if !ok || !isMap {
			now[name] = value
			continue
		}
		beforeFields, _ := before[name].(map[string]any) // none: everything is new
		mergeInto(nowFields, beforeFields, fields)
	}
}
