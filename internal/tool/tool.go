// Package tool finds the programs that fleetfall runs.
package tool

import (
	"os/exec"
	"path/filepath"
)

// Find looks for a program in the PATH, and then where Debian and Go keep some that an ordinary user's PATH leaves out. Its
// error is that of exec.LookPath.
func Find(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/local/go/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", err
}
