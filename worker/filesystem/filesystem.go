// Package filesystem says what lies below a path: the kind of the file system, its room, and whether other machines serve it.
package filesystem

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// System is the file system of a path.
type System struct {
	Name     string // such as "ext4"; with the number of an unknown kind
	Network  bool   // its files may come from another machine
	Free     int64  // bytes that this user may write
	NoExec   bool   // programs cannot be started there
	ReadOnly bool   // it is mounted so
}

// kind is a kind of file system.
type kind struct {
	name    string
	network bool
}

// kinds has the file systems by their magic numbers (statfs(2), and the sources of those outside of the kernel). A FUSE file
// system may be local; most of those that hold models are not.
var kinds = map[int64]kind{
	unix.EXT4_SUPER_MAGIC: {"ext4", false}, unix.XFS_SUPER_MAGIC: {"xfs", false}, unix.BTRFS_SUPER_MAGIC: {"btrfs", false},
	unix.TMPFS_MAGIC: {"tmpfs, in memory", false}, unix.OVERLAYFS_SUPER_MAGIC: {"overlay", false}, 0x2fc12fc1: {"ZFS", false},
	unix.NFS_SUPER_MAGIC: {"NFS", true}, unix.SMB2_SUPER_MAGIC: {"SMB", true}, unix.CIFS_SUPER_MAGIC: {"SMB", true},
	unix.FUSE_SUPER_MAGIC: {"FUSE", true}, unix.CEPH_SUPER_MAGIC: {"Ceph", true}, unix.AFS_SUPER_MAGIC: {"AFS", true},
	0x0bd00bd0: {"Lustre", true}, 0x47504653: {"GPFS", true}, 0x19830326: {"BeeGFS", true}, 0xaad7aaea: {"PanFS", true},
}

// At returns the file system of a path. The error is an *os.PathError.
func At(path string) (System, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return System{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	k, known := kinds[int64(s.Type)]
	if !known {
		k.name = fmt.Sprintf("file system %#x", s.Type)
	}
	return System{
		Name: k.name, Network: k.network, Free: int64(s.Bavail) * s.Bsize, NoExec: s.Flags&unix.ST_NOEXEC != 0, ReadOnly: s.Flags&unix.ST_RDONLY != 0,
	}, nil
}
