package strategy

import (
	"context"

	"k8s.io/apimachinery/pkg/util/validation/field"

	arkschema "mckinsey.com/ark/internal/schema"
)

// compile finds the schema of a custom kind. What it refuses is not looked at any
// further: in a cluster too, webhooks see only what the schema has let pass.
func (k *kind[T]) compile() (err error) {
	if k.builtIn || k.schema != nil {
		return nil
	}
	k.schema, err = arkschema.Of(k.groupResource())
	return err
}

func (k *kind[T]) validateSchema(ctx context.Context, obj T) field.ErrorList {
	if k.schema == nil {
		return nil
	}
	return k.schema.Validate(ctx, obj)
}

func (k *kind[T]) validateSchemaUpdate(ctx context.Context, obj, old T) field.ErrorList {
	if k.schema == nil {
		return nil
	}
	return k.schema.ValidateUpdate(ctx, obj, old)
}

func (k *kind[T]) validateSchemaStatus(ctx context.Context, obj, old T) field.ErrorList {
	if k.schema == nil {
		return nil
	}
	return k.schema.ValidateStatus(ctx, obj, old)
}
