package result

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"fluxworker/worker/safeopen"
)

// trust decides whether the files and folders of an output are this user's, or those of a group that the user named. Another
// user could read the answers, change them, or let this process write to other files.
type trust struct {
	mode fs.FileMode // of new files: a mode with group or world write permission shares the output
	// trial returns what a new private file beside a path looks like, nil if none can be made. Tests replace it.
	trial func(beside string) fs.FileInfo
}

func trustOf(p Paths) trust { return trust{mode: p.mode(), trial: trialFile} }

// refusal returns why the file or folder at path is not accepted; "" if it is. A new file beside the path beside shows how
// this process appears on the file system.
func (t trust) refusal(path, beside string, info fs.FileInfo) string {
	if why := safeopen.OtherOwner(path, info); why != "" && !t.sharedWith(info) && !t.appearsAs(beside, info) {
		return why + "; choose another --output, or, to share an output with your group, use --file-mode 0660"
	}
	if why := safeopen.OpenToAll(info); why != "" && t.mode&0o002 == 0 && !t.ignoresModes(beside) {
		return fmt.Sprintf("%s; choose another --output, or take the permission away (chmod o-w %s)", why, path)
	}
	return ""
}

// sharedWith reports whether the user shares the output, and the file belongs to one of the user's groups.
func (t trust) sharedWith(info fs.FileInfo) bool {
	if t.mode&0o002 != 0 {
		return true
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	groups, err := os.Getgroups()
	return t.mode&0o020 != 0 && ok && err == nil && (int(s.Gid) == os.Getegid() || slices.Contains(groups, int(s.Gid)))
}

// appearsAs reports whether a new file has the owner of the file with this info. Some file systems give all files of a
// process another owner: NFS with root_squash or all_squash, CIFS, FUSE.
func (t trust) appearsAs(beside string, info fs.FileInfo) bool {
	made := t.trial(beside)
	if made == nil {
		return false
	}
	owner, known := safeopen.Owner(info)
	mine, knownToo := safeopen.Owner(made)
	return known && knownToo && owner == mine
}

// ignoresModes reports whether every user may write to a new file, although its mode says otherwise: vfat, CIFS and the
// drives of Windows in WSL have no modes.
func (t trust) ignoresModes(beside string) bool {
	made := t.trial(beside)
	return made != nil && safeopen.OpenToAll(made) != ""
}

// trialFile returns what a new private file beside a path looks like; nil if none can be made.
func trialFile(beside string) fs.FileInfo {
	f, err := safeopen.Draft(beside, 0o600)
	if err != nil {
		return nil
	}
	defer os.Remove(f.Name())
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	return info
}

// makeFolder makes a folder for records, or accepts the folder that is there: a real folder, no link, of this user.
func (p Paths) makeFolder(dir string) error {
	err := os.Mkdir(dir, p.dirMode())
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errors.New("it is a symbolic link, and records go only into a real folder; remove the link, or let --output name the file in the folder where the records are")
	case !info.IsDir():
		return errors.New("it is not a folder, and the records of a run need a folder of this name; remove it, or choose another --output")
	}
	if why := trustOf(p).refusal(dir, filepath.Join(dir, "trial"), info); why != "" {
		return errors.New(why)
	}
	return nil
}
