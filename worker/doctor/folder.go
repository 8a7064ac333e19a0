package doctor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"fluxworker/batcher"
)

// fileSystems has the names of file systems by their magic numbers (statfs(2), and the sources of those outside of the kernel).
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs", unix.TMPFS_MAGIC: "tmpfs, in memory",
	unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "NFS", unix.SMB2_SUPER_MAGIC: "SMB", unix.FUSE_SUPER_MAGIC: "FUSE",
	unix.CEPH_SUPER_MAGIC: "Ceph", 0x0bd00bd0: "Lustre", 0x47504653: "GPFS", 0x19830326: "BeeGFS", 0x2fc12fc1: "ZFS", 0xaad7aaea: "PanFS",
}

// folder holds what a check needs of a folder.
type folder struct {
	free       int64  // bytes that this user may write
	fileSystem string // its name
	noexec     bool   // programs cannot be started there
	readOnly   bool   // the file system is mounted so
}

// folderAt looks at the file system of a folder.
func folderAt(path string) (folder, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return folder{}, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	name, known := fileSystems[int64(s.Type)]
	if !known {
		name = fmt.Sprintf("file system %#x", s.Type)
	}
	return folder{free: int64(s.Bavail) * s.Bsize, fileSystem: name, noexec: s.Flags&unix.ST_NOEXEC != 0, readOnly: s.Flags&unix.ST_RDONLY != 0}, nil
}

func (f folder) String() string {
	return fmt.Sprintf("%s free, %s", batcher.Size(f.free), f.fileSystem)
}

// writable reports whether this user may make files in a folder.
func writable(path string) bool { return unix.Access(path, unix.W_OK|unix.X_OK) == nil }
