package process

import (
	"fmt"

	"k8s.io/klog/v2"
)

// LogLines is a logger whose lines a test waits for.
type LogLines chan string

var _ klog.LogSink = LogLines(nil)

// Init does nothing.
func (l LogLines) Init(klog.RuntimeInfo) {}

// Enabled is true for what is always logged.
func (l LogLines) Enabled(level int) bool { return level == 0 }

// Info sends a line.
func (l LogLines) Info(_ int, message string, values ...any) {
	l <- fmt.Sprint(append([]any{message}, values...)...)
}

// Error sends a line that ends with the error.
func (l LogLines) Error(err error, message string, values ...any) {
	l.Info(0, message, append(values, err)...)
}

// WithValues is the same logger.
func (l LogLines) WithValues(...any) klog.LogSink { return l }

// WithName is the same logger.
func (l LogLines) WithName(string) klog.LogSink { return l }
