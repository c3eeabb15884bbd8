package goose

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// defaultTimeout of `ark goose up`.
const defaultTimeout = 5 * time.Minute

// NewCommand is `ark goose`: what a DBA, or the chart's Job, runs.
func NewCommand() *cobra.Command {
	var d Database
	cmd := &cobra.Command{
		Use:   "goose",
		Short: "Bring the database to the schema that this version of ark needs",
		Args:  cobra.NoArgs,
	}
	d.AddFlags(cmd.PersistentFlags())
	up := &cobra.Command{
		Use: "up", Short: "Apply all migrations that are missing", Args: cobra.NoArgs,
		Long: `Apply all migrations that are missing, each in a transaction. A database that cannot
be connected to is waited for; a schema that is newer, and suits this version of ark,
stays as it is. Any number of processes may do this at the same time.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return report(cmd, d.Up, "applied") },
	}
	up.Flags().DurationVar(&d.Timeout, "timeout", defaultTimeout, "how long to wait for a database that cannot be connected to; 0: not at all")
	up.Flags().BoolVar(&d.Create, "create-database", false, "make the database if it does not exist; the role must have CREATEDB")
	up.Flags().StringArrayVar(&d.GrantTo, "grant-to", nil, "role that the servers and workers work as, if it is another one: it gets the rights that they need in the schemas ark and observe; can be repeated")
	cmd.AddCommand(
		up,
		&cobra.Command{Use: "down", Short: "Take the newest migration back, with the data that it holds", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return report(cmd, Database{Source: d.Source}.Down, "taken back")
			}},
		&cobra.Command{Use: "status", Short: "List all migrations and when they were applied", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return list(cmd, Database{Source: d.Source}) }},
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
