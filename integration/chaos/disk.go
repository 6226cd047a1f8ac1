package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// ballast is a file that nothing but the soak knows.
const ballast = "ballast-of-the-soak"

// diskMiB is the size of a disk that can be filled: what the records of so many minutes need, and more.
func diskMiB(minutes float64) int { return 256 + int(6*minutes) }

// apart is set for a program that has a view of the machine's file systems of its own.
const apart = "MILLRACE_CHAOS_APART"

// viewOfItsOwn starts the program over in a view of the machine's file systems of its own, where that is allowed: what is
// mounted there nobody else sees, and it goes with the last process that does, however that ends. It gives why not.
func viewOfItsOwn() error {
	if os.Getenv(apart) != "" {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("the program may mount nothing: %w", err)
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("the program may mount nothing: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(program, os.Args, append(os.Environ(), apart+"="+strconv.Itoa(os.Getpid())))
}

// mountDisk puts a small disk where a directory is.
func mountDisk(dir string, mib int) error {
	if err := unix.Mount("millrace-chaos", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mib)); err != nil {
		return fmt.Errorf("mount a small disk at %s: %w", dir, err)
	}
	return nil
}

func unmountDisk(dir string) error { return unix.Unmount(dir, unix.MNT_DETACH) }

// fillDisk leaves no byte free on a disk.
func fillDisk(dir string) error {
	f, err := os.Create(filepath.Join(dir, ballast))
	if err != nil {
		return err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for {
		n, err := f.Write(block)
		switch {
		case err == nil:
		case errors.Is(err, unix.ENOSPC) && len(block) > 1 && n < len(block):
			block = block[:max(1, len(block)/2)] // what is too small for a whole block is filled as well
		case errors.Is(err, unix.ENOSPC):
			return nil
		default:
			return err
		}
	}
}

func freeDisk(dir string) error { return os.Remove(filepath.Join(dir, ballast)) }
