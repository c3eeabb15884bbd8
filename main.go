// Command ark is the data layer and control plane for AI agents on Kubernetes:
// API server, controllers, workers and migrations in one binary.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"mckinsey.com/ark/goose"
)

// version of the release; set when an image is built.
var version = "development"

// logFlags are klog's settings, of which users see the verbosity.
var logFlags = flag.NewFlagSet("log", flag.ContinueOnError)

// logToFile sends the log to a file, for a command that talks to a person: while
// the database is away, errors come by the hundred. With -v all of it stays on
// standard error.
func logToFile(file string) error {
	if logFlags.Lookup("v").Value.String() != "0" {
		return nil
	}
	settings := []struct{ name, value string }{
		{"logtostderr", "false"}, {"stderrthreshold", "FATAL"}, {"log_file", file}, {"log_file_max_size", "64"},
	}
	for _, s := range settings {
		if err := logFlags.Set(s.name, s.value); err != nil {
			return fmt.Errorf("send the log to %s: %w", file, err)
		}
	}
	return nil
}

func main() {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		klog.Flush()
		tell("ark:", oneLine(err))
		os.Exit(1)
	}
	klog.Flush()
}

// oneLine keeps an error that lists several causes on the line that people read
// last.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}

// newCommand is the root of all commands.
func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "ark",
		Short:         "Data layer and control plane for AI agents on Kubernetes",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRun: func(*cobra.Command, []string) {
			ctrl.SetLogger(klog.Background())
		},
	}
	klog.InitFlags(logFlags)
	root.PersistentFlags().AddGoFlag(logFlags.Lookup("v"))
	root.AddCommand(newDevCommand(), goose.NewCommand(), newCheckCommand())
	root.AddCommand(newCoreCommands()...)
	return root
}
