// Command image makes an OCI image of static binaries, without Docker: a tar
// archive of an OCI layout with an image for each platform, which is also what
// docker load takes.
//
//	image -o sqlsync-oci.tar -version V linux/amd64=PATH linux/arm64=PATH
package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the time of everything in the image, so that equal binaries make
// equal images.
var epoch = time.Unix(0, 0).UTC()

func main() {
	out := flag.String("o", "sqlsync-oci.tar", "archive to write")
	version := flag.String("version", "dev", "version of the program")
	flag.Parse()
	if err := run(*out, *version, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(out, version string, binaries []string) error {
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var loads []load
	for _, b := range binaries {
		platform, path, ok := strings.Cut(b, "=")
		goos, arch, ok2 := strings.Cut(platform, "/")
		if !ok || !ok2 {
			return fmt.Errorf("%q is not OS/ARCH=PATH", b)
		}
		p := v1.Platform{OS: goos, Architecture: arch}
		img, err := imageOf(path, p, version)
		if err != nil {
			return fmt.Errorf("image of %s: %w", path, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &p}})
		l, err := loadOf(img, arch, version)
		if err != nil {
			return err
		}
		loads = append(loads, l)
	}
	if _, err := layout.Write(dir, index); err != nil {
		return fmt.Errorf("write layout: %w", err)
	}
	text, err := json.Marshal(loads)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644); err != nil {
		return err
	}
	return pack(dir, out)
}

// imageOf is an image with a binary and nothing else. Databases are mounted at
// /data by whoever runs it, as their owner.
func imageOf(path string, p v1.Platform, version string) (v1.Image, error) {
	layer, err := layerOf(path)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
		History: v1.History{CreatedBy: "cmd/packaging/image", Created: v1.Time{Time: epoch}}})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = p.OS, p.Architecture, v1.Time{Time: epoch}
	file.Config = v1.Config{
		Entrypoint: []string{"/usr/bin/sqlsync"}, WorkingDir: "/data", User: "65532:65532",
		Volumes: map[string]struct{}{"/data": {}}, ExposedPorts: map[string]struct{}{"7117/tcp": {}},
		Env:        []string{"PATH=/usr/bin"},
		StopSignal: "SIGTERM",
		Labels:     map[string]string{"org.opencontainers.image.title": "sqlsync", "org.opencontainers.image.version": version},
	}
	return mutate.ConfigFile(img, file)
}

// layerOf has the program, and the folders that it needs.
func layerOf(path string) (v1.Layer, error) {
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name  string
		mode  int64
		owner int
		body  []byte
	}{
		{"usr/", 0o755, 0, nil}, {"usr/bin/", 0o755, 0, nil}, {"usr/bin/sqlsync", 0o755, 0, program},
		{"data/", 0o755, 65532, nil}, {"tmp/", 0o1777, 0, nil},
	} {
		h := &tar.Header{Name: f.name, Mode: f.mode, Uid: f.owner, Gid: f.owner, Size: int64(len(f.body)), ModTime: epoch, Typeflag: tar.TypeReg}
		if f.body == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.body); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// load is what docker load reads of an image.
type load struct {
	Config   string
	RepoTags []string
	Layers   []string
}

func loadOf(img v1.Image, arch, version string) (load, error) {
	config, err := img.ConfigName()
	if err != nil {
		return load{}, err
	}
	l := load{Config: blob(config), RepoTags: []string{"sqlsync:" + version + "-" + arch}}
	layers, err := img.Layers()
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return load{}, err
		}
		l.Layers = append(l.Layers, blob(digest))
	}
	return l, err
}

func blob(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// pack writes a folder as an archive.
func pack(dir, out string) error {
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	defer f.Close() // for the errors before the end
	w := tar.NewWriter(f)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name) + "/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: epoch})
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(body)), ModTime: epoch}); err != nil {
			return err
		}
		_, err = w.Write(body)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
