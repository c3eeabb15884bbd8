package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// errEnded says that the server program ended before it answered.
var errEnded = errors.New("PostgreSQL ended while it was starting")

// process is one run of the server program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read only after done
}

// launch starts the server program and waits until it answers.
func (s *Server) launch(ctx context.Context) error {
	log, logStart, err := s.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own descriptor
	// Not bound to ctx: the server is stopped in order by Stop.
	cmd := s.account.command(context.WithoutCancel(ctx), s.options.Binaries.Path("postgres"), s.arguments()...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.options.DieWithParent {
		dieWithParent(cmd.SysProcAttr)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	s.mu.Lock()
	s.process = p
	s.mu.Unlock()
	if err := s.waitReady(ctx, p); err != nil {
		return fmt.Errorf("%w\n%s", err, s.logSince(logStart))
	}
	return nil
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "",
	}
	maps.Copy(settings, s.options.Settings)
	args := []string{"-D", s.options.DataDir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// maxLog is the size from which the log is begun anew, in bytes.
const maxLog = 16 << 20

// openLog returns the log, and the place where this run's part begins.
func (s *Server) openLog() (*os.File, int64, error) {
	path := filepath.Join(s.options.DataDir, logFile)
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	info, statErr := os.Stat(path)
	if statErr == nil && info.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	log, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log of PostgreSQL: %w", err)
	}
	if errors.Is(statErr, fs.ErrNotExist) {
		err = s.account.own(path)
	}
	var end int64
	if err == nil {
		end, err = log.Seek(0, io.SeekEnd)
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("prepare the log of PostgreSQL: %w", err), log.Close())
	}
	return log, end, nil
}

// logSince returns what the server has written, for an error message.
func (s *Server) logSince(start int64) []byte {
	content, err := os.ReadFile(filepath.Join(s.options.DataDir, logFile))
	if err != nil {
		return fmt.Appendf(nil, "(its log cannot be read: %v)", err)
	}
	const most = 4 << 10
	content = content[min(start, int64(len(content))):]
	return bytes.TrimSpace(content[max(0, len(content)-most):])
}

// waitReady tries until the server answers, has ended, or takes too long.
func (s *Server) waitReady(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := ping(ctx, s.urlOf("postgres"))
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w: %w", errEnded, exitError(p.err))
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL to answer: %w (last answer: %w)", context.Cause(ctx), err)
		case <-ticker.C:
		}
	}
}

func ping(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// exitError gives an end without an error a name.
func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// signal tells the server program to stop; one that has ended is no error.
func (p *process) signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}
