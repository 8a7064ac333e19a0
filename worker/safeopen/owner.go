package safeopen

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// OtherOwner returns a text that names the owner of the file or folder at path, if that is another user; "" for this user and
// for root. For root, the owner of the folder around it counts, too: root in a container, or with sudo, works for that user.
func OtherOwner(path string, info fs.FileInfo) string {
	owner, known := Owner(info)
	if !known || owner == os.Geteuid() || owner == 0 || ownsFolder(owner, path) {
		return ""
	}
	return fmt.Sprintf("it belongs to user %d and not to you (user %d)", owner, os.Geteuid())
}

// OpenToAll returns a text with the mode of a file or folder, if every user may write to it; "" otherwise.
func OpenToAll(info fs.FileInfo) string {
	if info.Mode().Perm()&0o002 == 0 {
		return ""
	}
	return fmt.Sprintf("every user may write to it (mode %04o)", info.Mode().Perm())
}

// nobody is the owner that a user namespace shows for every user that it does not know.
const nobody = 65534

// ownsFolder reports whether this process is root, and the folder around path belongs to the user.
func ownsFolder(user int, path string) bool {
	if os.Geteuid() != 0 || user == nobody {
		return false
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return false
	}
	owner, known := Owner(info)
	return known && owner == user
}

// Owner returns the user id of a file's owner; known is false where the system has none.
func Owner(info fs.FileInfo) (user int, known bool) {
	s, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(s.Uid), true
}
