package main

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A kill does not test durability: the page cache outlives the process. Here the
// store lies on an ext4 in an image file. A cut kills the relay and goes on with a
// copy of the image, which has nothing but what was synced.
func TestF02(t *testing.T) {
	whole(t, "F02", "power cut", counts{2, 50, 200}, func(t *testing.T, rng *rand.Rand, n int) {
		if os.Geteuid() != 0 {
			skip(t, "mounting an image takes root")
		}
		holdWritesBack(t)
		v := newVendor(t, rng.Uint64())
		l := new(ledger)
		image := filepath.Join(t.TempDir(), "disk")
		if err := newImage(image); err != nil {
			skip(t, "no image: %v", err)
		}
		disk, err := mount(t, image)
		if err != nil {
			skip(t, "no mount: %v", err)
		}
		for range n {
			p := start(t, order{Amplitude: v.url, Dir: filepath.Join(disk, "store")})
			ctx, cancel := context.WithCancel(t.Context())
			timer := time.AfterFunc(time.Duration(100+rng.IntN(1500))*time.Millisecond, func() {
				p.kill()
				cancel()
			})
			drive(ctx, p.url, l, 16)
			timer.Stop()
			next := image + "+"
			require.NoError(t, copyFile(image, next))
			unmount(t, disk)
			require.NoError(t, os.Rename(next, image))
			disk, err = mount(t, image)
			require.NoError(t, err, "the file system did not survive the cut")
		}
		finish(t, v, filepath.Join(disk, "store"), l)
		unmount(t, disk)
	})
}

// holdWritesBack keeps the kernel from writing what nobody has synced.
func holdWritesBack(t *testing.T) {
	for _, name := range []string{"dirty_writeback_centisecs", "dirty_background_ratio", "dirty_ratio"} {
		file := "/proc/sys/vm/" + name
		old, err := os.ReadFile(file)
		require.NoError(t, err)
		value := "0"
		if name != "dirty_writeback_centisecs" {
			value = "90"
		}
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			skip(t, "no power cuts: %v", err)
		}
		t.Cleanup(func() { _ = os.WriteFile(file, old, 0o600) })
	}
}

func newImage(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(512 << 20); err != nil {
		return err
	}
	return exec.Command("mkfs.ext4", "-q", "-F", file).Run()
}

func mount(t *testing.T, image string) (dir string, err error) {
	dir = image + ".mnt"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := exec.Command("mount", "-o", "loop,commit=3600", image, dir).Run(); err != nil {
		return "", err
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir, nil
}

func unmount(t *testing.T, dir string) {
	require.Eventually(t, func() bool { return exec.Command("umount", dir).Run() == nil }, 10*time.Second, 50*time.Millisecond)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}
