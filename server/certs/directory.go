package certs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/klog/v2"
)

// The administrator of a stand-alone server.
const (
	AdminUser  = "ark-admin"
	AdminGroup = "system:masters"
)

// Files that Ensure keeps. A file with a certificate and a key holds both, so
// that both change at once.
type Files struct {
	// Authority is the certificate that signs all others.
	Authority string
	// Server holds the certificate and key that the server shows.
	Server string
	// Admin holds the certificate and key of AdminUser.
	Admin string
}

// Ensure keeps a folder of certificates: what is missing, damaged or near its end
// is made anew. It returns the files and whether any of them is new.
func Ensure(ctx context.Context, dir string, address net.IP, now time.Time) (Files, bool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Files{}, false, fmt.Errorf("make the folder of certificates: %w", err)
	}
	files := Files{
		Authority: filepath.Join(dir, "ca.crt"),
		Server:    filepath.Join(dir, "server.pem"),
		Admin:     filepath.Join(dir, "admin.pem"),
	}
	authority, changed, err := ensureAuthority(ctx, files.Authority, filepath.Join(dir, "ca.key"), now)
	if err != nil {
		return Files{}, false, err
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if address != nil && !address.IsLoopback() && !address.IsUnspecified() {
		addresses = append(addresses, address)
	}
	leaves := map[string]func() (*pair, error){
		files.Server: func() (*pair, error) { return newServer(authority, []string{"localhost"}, addresses, now) },
		files.Admin:  func() (*pair, error) { return newClient(authority, AdminUser, AdminGroup, now) },
	}
	for file, make := range leaves {
		renewed, err := ensureLeaf(ctx, file, authority, make, now)
		if err != nil {
			return Files{}, false, err
		}
		changed = changed || renewed
	}
	return files, changed, nil
}

func ensureAuthority(ctx context.Context, certFile, keyFile string, now time.Time) (*pair, bool, error) {
	certText, err := readIfThere(certFile)
	if err != nil {
		return nil, false, err
	}
	keyText, err := readIfThere(keyFile)
	if err != nil {
		return nil, false, err
	}
	if certText != nil || keyText != nil {
		p, err := parsePair(certText, keyText)
		if err == nil {
			err = p.good(p, now)
		}
		if err == nil {
			return p, false, nil
		}
		klog.FromContext(ctx).Info("The certificate authority is made anew", "file", certFile, "reason", err.Error())
	}
	p, err := newAuthority(now)
	if err != nil {
		return nil, false, err
	}
	keyText, err = p.keyPEM()
	if err != nil {
		return nil, false, err
	}
	if err := writeFile(keyFile, keyText); err != nil {
		return nil, false, err
	}
	return p, true, writeFile(certFile, p.certPEM())
}

func ensureLeaf(ctx context.Context, file string, authority *pair, make func() (*pair, error), now time.Time) (bool, error) {
	text, err := readIfThere(file)
	if err != nil {
		return false, err
	}
	if text != nil {
		p, err := parsePair(text, text)
		if err == nil {
			err = p.good(authority, now)
		}
		if err == nil {
			return false, nil
		}
		klog.FromContext(ctx).Info("A certificate is made anew", "file", file, "reason", err.Error())
	}
	p, err := make()
	if err != nil {
		return false, err
	}
	keyText, err := p.keyPEM()
	if err != nil {
		return false, err
	}
	return true, writeFile(file, append(p.certPEM(), keyText...))
}

func readIfThere(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	return text, nil
}

// writeFile replaces a file at once, for its owner only.
func writeFile(file string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone once it is renamed
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(temp.Name(), file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}
