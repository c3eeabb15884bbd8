package pg

import (
	"context"
	"fmt"
)

// Execute executes statements that a statement has written: those that name roles or
// schemas, which no parameter can.
func Execute(ctx context.Context, on Executor, statements []string) error {
	for _, s := range statements {
		if _, err := on.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
