// Package table prints objects as the rows that kubectl shows.
package table

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"
)

// Object is anything with metadata that the API serves.
type Object interface {
	runtime.Object
	metav1.Object
}

// Column is one column of the table of a kind.
type Column[T Object] struct {
	Name string
	// Type as in OpenAPI: string, integer, boolean.
	Type string
	// Description for those who read the table's definition.
	Description string
	// Wide columns are shown with -o wide only.
	Wide bool
	// Value of an object; now is the time of the request.
	Value func(obj T, now time.Time) any
}

// Text is a column of a text.
func Text[T Object](name, description string, value func(T) string) Column[T] {
	return Column[T]{Name: name, Type: "string", Description: description, Value: func(obj T, _ time.Time) any { return value(obj) }}
}

// Integer is a column of a number.
func Integer[T Object](name, description string, value func(T) int64) Column[T] {
	return Column[T]{Name: name, Type: "integer", Description: description, Value: func(obj T, _ time.Time) any { return value(obj) }}
}

// Name is the column that tables begin with.
func Name[T Object]() Column[T] {
	return Text("Name", "Name of the object, unique in its namespace", T.GetName)
}

// Age is the column that tables end with.
func Age[T Object]() Column[T] {
	return Column[T]{Name: "Age", Type: "string", Description: "Time since the object was created", Value: func(obj T, now time.Time) any {
		return Since(obj.GetCreationTimestamp().Time, now)
	}}
}

// OnlyWide shows a column with -o wide only.
func OnlyWide[T Object](c Column[T]) Column[T] {
	c.Wide = true
	return c
}

// Since is the time from t to now in the few characters that kubectl uses.
func Since(t, now time.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(now.Sub(t))
}

// Condition is the status of a condition, empty if there is none of that type.
func Condition(conditions []metav1.Condition, conditionType string) string {
	for _, c := range conditions {
		if c.Type == conditionType {
			return string(c.Status)
		}
	}
	return ""
}

// Convertor makes tables of objects and lists of T.
type Convertor[T Object] struct {
	resource    schema.GroupResource
	clock       clock.PassiveClock
	columns     []Column[T]
	definitions []metav1.TableColumnDefinition
}

var _ rest.TableConvertor = (*Convertor[*metav1.PartialObjectMetadata])(nil)

// NewConvertor makes the convertor of a resource.
func NewConvertor[T Object](resource schema.GroupResource, c clock.PassiveClock, columns []Column[T]) *Convertor[T] {
	definitions := make([]metav1.TableColumnDefinition, 0, len(columns))
	for _, column := range columns {
		d := metav1.TableColumnDefinition{Name: column.Name, Type: column.Type, Description: column.Description}
		if column.Wide {
			d.Priority = 1
		}
		if strings.EqualFold(column.Name, "name") {
			d.Format = "name"
		}
		definitions = append(definitions, d)
	}
	return &Convertor[T]{resource: resource, clock: c, columns: columns, definitions: definitions}
}

// ConvertToTable makes the table of an object or a list of objects.
func (c *Convertor[T]) ConvertToTable(_ context.Context, object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	now := c.clock.Now()
	appendRow := func(o runtime.Object) error {
		obj, ok := o.(T)
		if !ok {
			return fmt.Errorf("make a table of %s: %T is not of this kind", c.resource, o)
		}
		table.Rows = append(table.Rows, c.row(obj, now))
		return nil
	}
	if err := forEach(object, appendRow); err != nil {
		return nil, err
	}
	describe(&table.ListMeta, object)
	if o, ok := options.(*metav1.TableOptions); !ok || !o.NoHeaders {
		table.ColumnDefinitions = c.definitions
	}
	return table, nil
}

func (c *Convertor[T]) row(obj T, now time.Time) metav1.TableRow {
	cells := make([]any, 0, len(c.columns))
	for _, column := range c.columns {
		cells = append(cells, column.Value(obj, now))
	}
	return metav1.TableRow{Cells: cells, Object: runtime.RawExtension{Object: obj}}
}

func forEach(object runtime.Object, visit func(runtime.Object) error) error {
	if meta.IsListType(object) {
		return meta.EachListItem(object, visit)
	}
	return visit(object)
}

// describe takes over the resource version and the place in a list.
func describe(to *metav1.ListMeta, object runtime.Object) {
	if list, err := meta.ListAccessor(object); err == nil {
		to.ResourceVersion = list.GetResourceVersion()
		to.Continue = list.GetContinue()
		to.RemainingItemCount = list.GetRemainingItemCount()
		return
	}
	if one, err := meta.CommonAccessor(object); err == nil {
		to.ResourceVersion = one.GetResourceVersion()
	}
}
