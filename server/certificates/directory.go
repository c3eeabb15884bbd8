package certificates

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// writeDir brings the files of a folder to the content of the Secret. Each is
// replaced at once; whoever reads a certificate between the two renames, with the key
// of another one, sees that they do not match and goes on with what it had: k8s.io/apiserver
// and controller-runtime read again at the next event. The bundle comes first, so that
// it is never behind the certificate.
func writeDir(dir string, data map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the folder of the certificates: %w", err)
	}
	for _, name := range []string{CAFile, KeyFile, CertFile} {
		file := filepath.Join(dir, name)
		there, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read the certificates: %w", err)
		}
		if err == nil && bytes.Equal(there, data[name]) {
			continue
		}
		if err := replace(file, data[name]); err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
	}
	return nil
}

// replace replaces a file at once, for its owner only.
func replace(file string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }() // gone once it is renamed
	_, err = temp.Write(content)
	if err := errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), file)
}
