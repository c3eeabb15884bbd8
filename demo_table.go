package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	arkv1alpha1 "mckinsey.com/ark/api/v1alpha1"
)

// table prints what `kubectl get queries` prints: the server's own table.
func (d *demo) table(ctx context.Context) error {
	config := rest.CopyConfig(d.config)
	config.APIPath = "/apis"
	config.GroupVersion = &arkv1alpha1.GroupVersion
	config.NegotiatedSerializer = codecs.WithoutConversion()
	c, err := rest.RESTClientFor(config)
	if err != nil {
		return fmt.Errorf("make a client for tables: %w", err)
	}
	var table metav1.Table
	err = c.Get().Namespace(demoNamespace).Resource("queries").
		SetHeader("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io").Do(ctx).Into(&table)
	if err != nil {
		return fmt.Errorf("read the table of queries: %w", err)
	}
	d.say("\n$ kubectl get queries")
	return printTable(d.out, &table)
}

// printTable prints the columns that kubectl shows without -o wide.
func printTable(out io.Writer, table *metav1.Table) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	row := func(cell func(i int) string) error {
		var cells []string
		for i, column := range table.ColumnDefinitions {
			if column.Priority == 0 {
				cells = append(cells, cell(i))
			}
		}
		_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
		return err
	}
	if err := row(func(i int) string { return strings.ToUpper(table.ColumnDefinitions[i].Name) }); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	for _, r := range table.Rows {
		if err := row(func(i int) string { return fmt.Sprint(r.Cells[i]) }); err != nil {
			return fmt.Errorf("print the table: %w", err)
		}
	}
	return w.Flush()
}

// printReady says how to go on.
func printReady(out io.Writer, o devOptions, databaseURL string) {
	_, _ = fmt.Fprintf(out, `
Ark serves on https://127.0.0.1:%d. In another terminal:

  export KUBECONFIG=%s
  export ARK_DATABASE_URL=%s

  kubectl get queries
  psql "$ARK_DATABASE_URL" -c 'SELECT name, phase, waited, ran FROM observe.queries'

The log is in %s.
`, o.Port, quote(o.kubeconfig()), quote(databaseURL), o.logFile())
	if !o.Exit {
		_, _ = fmt.Fprintln(out, "Ctrl-C stops everything; the data stays.")
	}
}

// quote makes one word of a text for any shell, whatever stands in it.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
