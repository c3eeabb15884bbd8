package pg

import (
	"fmt"

	"mckinsey.com/ark/internal/postgres"
)

// CheckVersion refuses a server that lacks what our statements use. The number is the
// server's setting server_version_num: 150018 for 15.18.
func CheckVersion(number int32) error {
	if number/10000 >= postgres.OldestMajor {
		return nil
	}
	version := fmt.Sprintf("%d.%d", number/10000, number%10000)
	if number < 100000 { // until 9.6 a major version had two parts
		version = fmt.Sprintf("%d.%d.%d", number/10000, number/100%100, number%100)
	}
	return &VersionError{version}
}

// VersionError says that the server is too old.
type VersionError struct{ version string }

func (e *VersionError) Error() string {
	return fmt.Sprintf("PostgreSQL %s is too old: %d or newer is needed", e.version, postgres.OldestMajor)
}
