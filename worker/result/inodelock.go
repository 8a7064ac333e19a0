package result

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// errOpenElsewhere means that a process has the file open under another name, or without the lock of the output.
var errOpenElsewhere = errors.New("another process writes to this file, maybe by another name of the file: a hard link or a bind mount")

// errSecondName means that the file has a second name, on a file system where lockInode cannot find another writer.
var errSecondName = errors.New("the file has another name (a hard link), and on this file system nobody can tell whether a run writes to the file by that name; copy the file and use the copy")

// lockPatience is how long lockInode tries: a process that was killed while it started a child leaves the lock to the child
// for an instant.
const lockPatience = time.Second

// lockInode locks an open file against other processes of this node until the file is closed. The lease of an output goes by
// its path, and a file may have several. On a network file system, where such a lock may block, get lost or count on one node
// only, it refuses a file with a second name instead.
func lockInode(f *os.File) error {
	var system unix.Statfs_t
	var info unix.Stat_t
	if err := errors.Join(unix.Fstatfs(int(f.Fd()), &system), unix.Fstat(int(f.Fd()), &info)); err != nil {
		return err
	}
	if !isLocal(int64(system.Type)) {
		if info.Nlink > 1 {
			return errSecondName
		}
		return nil
	}
	for began := time.Now(); ; time.Sleep(lockPatience / 20) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case !errors.Is(err, unix.EWOULDBLOCK):
			return nil // locked, or the file system has no locks
		case time.Since(began) > lockPatience:
			return errOpenElsewhere
		}
	}
}

// isLocal reports whether the file system belongs to this node alone, so that its locks neither block nor get lost.
func isLocal(magic int64) bool {
	switch magic {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, zfsMagic:
		return true
	}
	return false
}

const zfsMagic = 0x2fc12fc1
