package goose

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// NewCommand is `ark goose`: what a DBA, or the chart's Job, runs.
func NewCommand() *cobra.Command {
	var d Database
	cmd := &cobra.Command{
		Use:   "goose",
		Short: "Bring the database to the schema that this version of ark needs",
		Args:  cobra.NoArgs,
	}
	d.AddFlags(cmd.PersistentFlags())
	cmd.AddCommand(
		&cobra.Command{Use: "up", Short: "Apply all migrations that are missing", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return report(cmd, d.Up, "applied") }},
		&cobra.Command{Use: "down", Short: "Take the newest migration back, with the data that it holds", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return report(cmd, d.Down, "taken back") }},
		&cobra.Command{Use: "status", Short: "List all migrations and when they were applied", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd, d) }},
	)
	return cmd
}

func report(cmd *cobra.Command, change func(context.Context) ([]Result, error), verb string) error {
	results, err := change(cmd.Context())
	for _, r := range results {
		cmd.Printf("%s %s (%s)\n", r.Name, verb, r.Duration.Round(time.Millisecond))
	}
	if err == nil && len(results) == 0 {
		cmd.Println("nothing to do")
	}
	return err
}

func list(cmd *cobra.Command, d Database) error {
	all, err := d.List(cmd.Context())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 3, ' ', 0)
	if _, err := fmt.Fprintln(w, "MIGRATION\tAPPLIED"); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, s := range all {
		applied := "no"
		if !s.Applied.IsZero() {
			applied = s.Applied.Format(time.RFC3339)
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\n", s.Name, applied); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return w.Flush()
}
