//go:build unix

// Package packaging checks what make package has put into dist.
package packaging

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// made finds what make package made, and skips where it has made nothing.
func made(t *testing.T, pattern string) string {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join("..", "..", "dist", pattern))
	if len(files) != 1 {
		t.Skipf("SKIPPED: there is not one dist/%s: run make package", pattern)
	}
	return files[0]
}

func TestDebHoldsWhatItShould(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		deb := made(t, "sqlsync_*_"+arch+".deb")
		if _, err := exec.LookPath("dpkg-deb"); err != nil {
			t.Skip("SKIPPED: dpkg-deb is not installed")
		}
		out, err := exec.Command("dpkg-deb", "--contents", deb).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, line := range []string{
			"-rwxr-xr-x root/root", " ./usr/bin/sqlsync\n", " ./usr/share/doc/sqlsync/README.md\n",
			" ./usr/share/doc/sqlsync/docs/service.md\n", " ./etc/sqlsync/\n",
			" ./usr/share/man/man1/sqlsync.1.gz\n", " ./usr/share/bash-completion/completions/sqlsync\n",
			" ./usr/share/zsh/vendor-completions/_sqlsync\n", " ./usr/share/fish/vendor_completions.d/sqlsync.fish\n",
		} {
			if !strings.Contains(string(out), line) {
				t.Errorf("%s has no %q:\n%s", deb, line, out)
			}
		}
		out, err = exec.Command("dpkg-deb", "--field", deb, "Package", "Architecture", "Depends").CombinedOutput()
		if want := "Package: sqlsync\nArchitecture: " + arch + "\n"; err != nil || string(out) != want {
			t.Errorf("%v: fields are %q, want %q", err, out, want)
		}
		if arch != runtime.GOARCH || runtime.GOOS != "linux" {
			continue
		}
		dir := t.TempDir()
		if out, err := exec.Command("dpkg-deb", "--extract", deb, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		runs(t, exec.Command(filepath.Join(dir, "usr/bin/sqlsync"), "version"))
	}
}

// runs makes sure that a program tells its version.
func runs(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "sqlsync ") {
		t.Errorf("%v: %v: %q", cmd.Args, err, out)
	}
}

// The image is unpacked as an engine would, and its program runs in it, with
// nothing else there.
func TestImageRuns(t *testing.T) {
	files := read(t, made(t, "sqlsync-oci.tar"))
	var loads []struct {
		Config string
		Layers []string
	}
	decode(t, files["manifest.json"], &loads)
	var index struct {
		Manifests []struct{ Digest, MediaType string }
	}
	decode(t, files["index.json"], &index)
	if len(index.Manifests) != 2 || len(loads) != 2 || files["oci-layout"] == nil {
		t.Fatalf("%d and %d images, want one for each platform", len(index.Manifests), len(loads))
	}
	for _, m := range index.Manifests {
		if files["blobs/"+strings.Replace(m.Digest, ":", "/", 1)] == nil || m.MediaType != "application/vnd.oci.image.manifest.v1+json" {
			t.Errorf("manifest %+v", m)
		}
	}
	ran := false
	for _, l := range loads {
		var config struct {
			Architecture string
			Config       struct {
				Entrypoint []string
				User       string
			}
		}
		decode(t, files[l.Config], &config)
		if len(config.Config.Entrypoint) != 1 || config.Config.User != "65532:65532" {
			t.Errorf("config %+v", config)
		}
		if config.Architecture != runtime.GOARCH || runtime.GOOS != "linux" {
			continue
		}
		root := t.TempDir()
		for _, layer := range l.Layers {
			unpack(t, files[layer], root)
		}
		cmd := exec.Command(config.Config.Entrypoint[0], "version")
		if os.Getuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
			cmd.Dir = "/data"
		} else {
			cmd = exec.Command(filepath.Join(root, config.Config.Entrypoint[0]), "version")
		}
		cmd.Env = []string{}
		runs(t, cmd)
		ran = true
	}
	if !ran {
		t.Skipf("SKIPPED: running the image: none is for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
}

func decode(t *testing.T, b []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := make(map[string][]byte)
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func unpack(t *testing.T, layer []byte, root string) {
	t.Helper()
	z, err := gzip.NewReader(strings.NewReader(string(layer)))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else {
			var body []byte
			if body, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, body, os.FileMode(h.Mode))
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
