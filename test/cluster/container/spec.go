// Package container runs the program of a container: with mounts, processes and
// users of its own, and a file system of its image and its volumes alone.
package container

// Command is the argument by which this program knows that it is to become one.
const Command = "container"

// Spec is a container that is about to run. It is read from the file that is named
// after Command.
type Spec struct {
	Hostname string
	// Root is where the file system is put together, and Image what it is made of.
	Root, Image  string
	ReadOnlyRoot bool
	Mounts       []Mount
	Args, Env    []string
	Dir          string
	UID, GID     int
	Groups       []int
	// Rootless: there is one user, who looks like UID to the program.
	Rootless bool
}

// Mount is a file or folder of the node that a container sees.
type Mount struct {
	Source, Target string
	ReadOnly       bool
}
